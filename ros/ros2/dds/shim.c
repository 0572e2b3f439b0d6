//go:build ros2

#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dds/ddsi/ddsi_serdata.h>
#include <dds/ddsi/ddsi_sertype.h>
#include <dds/ddsi/q_radmin.h>

// A sample: its CDR with the header, padded to four bytes with zeros.
typedef struct {
	struct ddsi_serdata c;
	size_t size;
	unsigned char data[];
} blob;

// what korr_write hands to from_sample.
typedef struct {
	const void *data;
	size_t size;
} bytes;

static const struct ddsi_serdata_ops data_ops;

static size_t padded(size_t n) { return (n + 3) & ~(size_t)3; }

static blob *blob_new(const struct ddsi_sertype *type, enum ddsi_serdata_kind kind, size_t size) {
	blob *b = calloc(1, sizeof(*b) + padded(size));
	if (b == NULL) return NULL;
	ddsi_serdata_init(&b->c, type, kind);
	b->size = size;
	return b;
}

static bool blob_eqkey(const struct ddsi_serdata *a, const struct ddsi_serdata *b) {
	(void)a;
	(void)b;
	return true; // no type has a key
}

static uint32_t blob_size(const struct ddsi_serdata *d) { return (uint32_t)((const blob *)d)->size; }

static struct ddsi_serdata *blob_from_ser(const struct ddsi_sertype *type, enum ddsi_serdata_kind kind, const struct nn_rdata *fragments, size_t size) {
	blob *b = blob_new(type, kind, size);
	if (b == NULL) return NULL;
	uint32_t have = 0;
	for (const struct nn_rdata *f = fragments; f != NULL; f = f->nextfrag) {
		if (f->maxp1 <= have || f->min > have || f->maxp1 > size) continue;
		const unsigned char *payload = NN_RMSG_PAYLOADOFF(f->rmsg, NN_RDATA_PAYLOAD_OFF(f));
		memcpy(b->data + have, payload + (have - f->min), f->maxp1 - have);
		have = f->maxp1;
	}
	return &b->c;
}

static struct ddsi_serdata *blob_from_iov(const struct ddsi_sertype *type, enum ddsi_serdata_kind kind, ddsrt_msg_iovlen_t n, const ddsrt_iovec_t *iov, size_t size) {
	blob *b = blob_new(type, kind, size);
	if (b == NULL) return NULL;
	size_t at = 0;
	for (ddsrt_msg_iovlen_t i = 0; i < n && at < size; i++) {
		size_t len = iov[i].iov_len < size - at ? iov[i].iov_len : size - at;
		memcpy(b->data + at, iov[i].iov_base, len);
		at += len;
	}
	return &b->c;
}

static struct ddsi_serdata *blob_from_keyhash(const struct ddsi_sertype *type, const struct ddsi_keyhash *hash) {
	(void)hash;
	return (struct ddsi_serdata *)blob_new(type, SDK_KEY, 4);
}

static struct ddsi_serdata *blob_from_sample(const struct ddsi_sertype *type, enum ddsi_serdata_kind kind, const void *sample) {
	const bytes *in = sample;
	if (kind != SDK_DATA) return (struct ddsi_serdata *)blob_new(type, kind, 4);
	blob *b = blob_new(type, kind, in->size);
	if (b != NULL) memcpy(b->data, in->data, in->size);
	return (struct ddsi_serdata *)b;
}

static void blob_to_ser(const struct ddsi_serdata *d, size_t off, size_t n, void *dst) { memcpy(dst, ((const blob *)d)->data + off, n); }

static struct ddsi_serdata *blob_to_ser_ref(const struct ddsi_serdata *d, size_t off, size_t n, ddsrt_iovec_t *ref) {
	ref->iov_base = (void *)(((const blob *)d)->data + off);
	ref->iov_len = (ddsrt_iov_len_t)n;
	return ddsi_serdata_ref(d);
}

static void blob_to_ser_unref(struct ddsi_serdata *d, const ddsrt_iovec_t *ref) {
	(void)ref;
	ddsi_serdata_unref(d);
}

// Samples are taken as they are (dds_takecdr), never as structs.
static bool blob_to_sample(const struct ddsi_serdata *d, void *sample, void **buffer, void *limit) {
	(void)d;
	(void)sample;
	(void)buffer;
	(void)limit;
	return false;
}

static struct ddsi_serdata *blob_to_untyped(const struct ddsi_serdata *d) {
	blob *b = blob_new(d->type, SDK_KEY, 4);
	if (b == NULL) return NULL;
	b->c.type = NULL;
	return &b->c;
}

static bool blob_untyped_to_sample(const struct ddsi_sertype *type, const struct ddsi_serdata *d, void *sample, void **buffer, void *limit) {
	(void)type;
	(void)d;
	(void)sample;
	(void)buffer;
	(void)limit;
	return true;
}

static void blob_free(struct ddsi_serdata *d) { free(d); }

static size_t blob_print(const struct ddsi_sertype *type, const struct ddsi_serdata *d, char *buf, size_t size) {
	(void)type;
	return (size_t)snprintf(buf, size, "%zu bytes", ((const blob *)d)->size);
}

static void blob_keyhash(const struct ddsi_serdata *d, struct ddsi_keyhash *hash, bool force_md5) {
	(void)d;
	(void)force_md5;
	memset(hash, 0, sizeof(*hash));
}

static const struct ddsi_serdata_ops data_ops = {
	.eqkey = blob_eqkey,
	.get_size = blob_size,
	.from_ser = blob_from_ser,
	.from_ser_iov = blob_from_iov,
	.from_keyhash = blob_from_keyhash,
	.from_sample = blob_from_sample,
	.to_ser = blob_to_ser,
	.to_ser_ref = blob_to_ser_ref,
	.to_ser_unref = blob_to_ser_unref,
	.to_sample = blob_to_sample,
	.to_untyped = blob_to_untyped,
	.untyped_to_sample = blob_untyped_to_sample,
	.free = blob_free,
	.print = blob_print,
	.get_keyhash = blob_keyhash,
};

static void type_free(struct ddsi_sertype *t) {
	ddsi_sertype_fini(t);
	free(t);
}

static void type_zero(const struct ddsi_sertype *t, void *samples, size_t n) {
	(void)t;
	memset(samples, 0, n * sizeof(bytes));
}

static void type_realloc(void **ptrs, const struct ddsi_sertype *t, void *old, size_t before, size_t n) {
	(void)t;
	char *all = realloc(old, n * sizeof(bytes));
	if (all != NULL && n > before) memset(all + before * sizeof(bytes), 0, (n - before) * sizeof(bytes));
	for (size_t i = 0; i < n; i++) ptrs[i] = all == NULL ? NULL : all + i * sizeof(bytes);
}

static void type_free_samples(const struct ddsi_sertype *t, void **ptrs, size_t n, dds_free_op_t op) {
	(void)t;
	if (n > 0 && (op & DDS_FREE_ALL_BIT)) free(ptrs[0]);
}

static bool type_equal(const struct ddsi_sertype *a, const struct ddsi_sertype *b) {
	(void)a;
	(void)b;
	return true; // the names are equal already
}

static uint32_t type_hash(const struct ddsi_sertype *t) {
	(void)t;
	return 0;
}

static struct ddsi_sertype *type_derive(const struct ddsi_sertype *t, dds_data_representation_id_t r, dds_type_consistency_enforcement_qospolicy_t c) {
	(void)r;
	(void)c;
	return (struct ddsi_sertype *)t; // there is one representation
}

static const struct ddsi_sertype_ops type_ops = {
	.version = ddsi_sertype_v0,
	.arg = NULL,
	.free = type_free,
	.zero_samples = type_zero,
	.realloc_samples = type_realloc,
	.free_samples = type_free_samples,
	.equal = type_equal,
	.hash = type_hash,
	.derive_sertype = type_derive,
};

dds_entity_t korr_topic(dds_entity_t participant, const char *name, const char *type, const void **sertype) {
	struct ddsi_sertype *t = calloc(1, sizeof(*t));
	if (t == NULL) return DDS_RETCODE_OUT_OF_RESOURCES;
	ddsi_sertype_init(t, type, &type_ops, &data_ops, true);
	t->allowed_data_representation = DDS_DATA_REPRESENTATION_FLAG_XCDR1;
	dds_entity_t topic = dds_create_topic_sertype(participant, name, &t, NULL, NULL, NULL);
	if (topic < 0) {
		ddsi_sertype_unref(t);
		return topic;
	}
	*sertype = t;
	return topic;
}

static dds_qos_t *qos_of(const korr_qos *q) {
	dds_qos_t *out = dds_create_qos();
	int32_t depth = q->depth > 0 ? q->depth : 1;
	dds_history_kind_t kind = q->keep_all ? DDS_HISTORY_KEEP_ALL : DDS_HISTORY_KEEP_LAST;
	dds_qset_history(out, kind, depth);
	dds_qset_reliability(out, q->reliable ? DDS_RELIABILITY_RELIABLE : DDS_RELIABILITY_BEST_EFFORT, DDS_MSECS(100));
	dds_qset_durability(out, q->transient_local ? DDS_DURABILITY_TRANSIENT_LOCAL : DDS_DURABILITY_VOLATILE);
	if (q->transient_local) { // what a late joiner gets follows this, not the history
		dds_qset_durability_service(out, DDS_SECS(0), kind, depth, DDS_LENGTH_UNLIMITED, DDS_LENGTH_UNLIMITED, DDS_LENGTH_UNLIMITED);
	}
	if (q->deadline > 0) dds_qset_deadline(out, q->deadline);
	if (q->lifespan > 0) dds_qset_lifespan(out, q->lifespan);
	dds_qset_liveliness(out, DDS_LIVELINESS_AUTOMATIC, q->lease > 0 ? q->lease : DDS_INFINITY);
	dds_qset_ignorelocal(out, DDS_IGNORELOCAL_NONE);
	dds_qset_writer_data_lifecycle(out, false);
	dds_data_representation_id_t plain = DDS_DATA_REPRESENTATION_XCDR1;
	dds_qset_data_representation(out, 1, &plain);
	if (q->user_data != NULL) dds_qset_userdata(out, q->user_data, strlen(q->user_data));
	return out;
}

dds_entity_t korr_writer(dds_entity_t participant, dds_entity_t topic, const korr_qos *q) {
	dds_qos_t *qos = qos_of(q);
	dds_entity_t w = dds_create_writer(participant, topic, qos, NULL);
	dds_delete_qos(qos);
	if (w > 0) {
		dds_set_status_mask(w, DDS_PUBLICATION_MATCHED_STATUS | DDS_OFFERED_INCOMPATIBLE_QOS_STATUS | DDS_OFFERED_DEADLINE_MISSED_STATUS | DDS_LIVELINESS_LOST_STATUS);
	}
	return w;
}

dds_entity_t korr_reader(dds_entity_t participant, dds_entity_t topic, const korr_qos *q) {
	dds_qos_t *qos = qos_of(q);
	dds_entity_t r = dds_create_reader(participant, topic, qos, NULL);
	dds_delete_qos(qos);
	if (r > 0) {
		dds_set_status_mask(r, DDS_DATA_AVAILABLE_STATUS | DDS_SUBSCRIPTION_MATCHED_STATUS | DDS_REQUESTED_INCOMPATIBLE_QOS_STATUS | DDS_REQUESTED_DEADLINE_MISSED_STATUS | DDS_LIVELINESS_CHANGED_STATUS | DDS_SAMPLE_LOST_STATUS);
	}
	return r;
}

dds_return_t korr_write(dds_entity_t writer, const void *sertype, const void *data, size_t size) {
	bytes in = {data, size};
	struct ddsi_serdata *d = blob_from_sample(sertype, SDK_DATA, &in);
	if (d == NULL) return DDS_RETCODE_OUT_OF_RESOURCES;
	return dds_writecdr(writer, d); // takes the reference over
}

enum { most = 32 };

dds_return_t korr_take(dds_entity_t reader, korr_sample *samples, uint32_t n) {
	struct ddsi_serdata *data[most];
	dds_sample_info_t info[most];
	if (n > most) n = most;
	dds_return_t got = dds_takecdr(reader, data, n, info, DDS_ANY_STATE);
	for (dds_return_t i = 0; i < got; i++) {
		const blob *b = (const blob *)data[i];
		samples[i] = (korr_sample){b->data, b->size, info[i].source_timestamp, info[i].publication_handle, info[i].valid_data, data[i]};
	}
	return got;
}

void korr_release(korr_sample *samples, uint32_t n) {
	for (uint32_t i = 0; i < n; i++) ddsi_serdata_unref(samples[i].ref);
}

dds_return_t korr_guid(dds_entity_t entity, unsigned char *guid) {
	dds_guid_t g;
	dds_return_t rc = dds_get_guid(entity, &g);
	if (rc == DDS_RETCODE_OK) memcpy(guid, g.v, sizeof(g.v));
	return rc;
}

bool korr_sender(dds_entity_t reader, uint64_t writer, unsigned char *guid) {
	dds_builtintopic_endpoint_t *e = dds_get_matched_publication_data(reader, writer);
	if (e == NULL) return false;
	memcpy(guid, e->key.v, sizeof(e->key.v));
	dds_builtintopic_free_endpoint(e);
	return true;
}

bool korr_reaches(dds_entity_t writer, const unsigned char *endpoint) {
	enum { readers = 256, prefix = 12 }; // of a GUID: that of the participant
	dds_instance_handle_t matched[readers];
	dds_return_t n = dds_get_matched_subscriptions(writer, matched, readers);
	bool found = false;
	for (dds_return_t i = 0; i < n && i < readers && !found; i++) {
		dds_builtintopic_endpoint_t *e = dds_get_matched_subscription_data(writer, matched[i]);
		if (e == NULL) continue;
		found = memcmp(e->key.v, endpoint, prefix) == 0;
		dds_builtintopic_free_endpoint(e);
	}
	return found;
}

void korr_reader_status(dds_entity_t r, korr_status *out) {
	dds_subscription_matched_status_t matched;
	dds_requested_incompatible_qos_status_t qos;
	dds_requested_deadline_missed_status_t deadline;
	dds_liveliness_changed_status_t live;
	dds_sample_lost_status_t lost;
	memset(out, 0, sizeof(*out));
	dds_get_status_changes(r, &out->changed);
	if (dds_get_subscription_matched_status(r, &matched) == DDS_RETCODE_OK) out->matched = matched.current_count;
	if (dds_get_requested_incompatible_qos_status(r, &qos) == DDS_RETCODE_OK) out->policy = qos.last_policy_id;
	if (dds_get_requested_deadline_missed_status(r, &deadline) == DDS_RETCODE_OK) out->deadlines = deadline.total_count;
	if (dds_get_liveliness_changed_status(r, &live) == DDS_RETCODE_OK) out->alive = live.alive_count;
	if (dds_get_sample_lost_status(r, &lost) == DDS_RETCODE_OK) out->lost = lost.total_count;
}

void korr_writer_status(dds_entity_t w, korr_status *out) {
	dds_publication_matched_status_t matched;
	dds_offered_incompatible_qos_status_t qos;
	dds_offered_deadline_missed_status_t deadline;
	dds_liveliness_lost_status_t live;
	memset(out, 0, sizeof(*out));
	dds_get_status_changes(w, &out->changed);
	if (dds_get_publication_matched_status(w, &matched) == DDS_RETCODE_OK) out->matched = matched.current_count;
	if (dds_get_offered_incompatible_qos_status(w, &qos) == DDS_RETCODE_OK) out->policy = qos.last_policy_id;
	if (dds_get_offered_deadline_missed_status(w, &deadline) == DDS_RETCODE_OK) out->deadlines = deadline.total_count;
	if (dds_get_liveliness_lost_status(w, &live) == DDS_RETCODE_OK) out->lost = live.total_count;
}

dds_return_t korr_graph(dds_entity_t builtin, void **sample, korr_endpoint *out) {
	dds_sample_info_t info;
	sample[0] = NULL;
	dds_return_t got = dds_take(builtin, sample, &info, 1, 1);
	if (got <= 0) return got;
	const dds_builtintopic_endpoint_t *e = sample[0];
	memset(out, 0, sizeof(*out));
	out->key = e->key;
	out->gone = info.instance_state != DDS_IST_ALIVE;
	if (!info.valid_data || out->gone) return got;
	out->participant = e->participant_key;
	out->topic = e->topic_name;
	out->type = e->type_name;
	if (e->qos == NULL) return got;
	dds_reliability_kind_t reliability;
	dds_durability_kind_t durability;
	dds_duration_t wait, deadline, lease;
	dds_liveliness_kind_t liveliness;
	if (dds_qget_reliability(e->qos, &reliability, &wait)) out->qos.reliable = reliability == DDS_RELIABILITY_RELIABLE;
	if (dds_qget_durability(e->qos, &durability)) out->qos.transient_local = durability >= DDS_DURABILITY_TRANSIENT_LOCAL;
	if (dds_qget_deadline(e->qos, &deadline) && deadline != DDS_INFINITY) out->qos.deadline = deadline;
	if (dds_qget_liveliness(e->qos, &liveliness, &lease) && lease != DDS_INFINITY) out->qos.lease = lease;
	dds_qget_userdata(e->qos, &out->user_data, &out->user_size);
	return got;
}

void korr_graph_release(dds_entity_t builtin, void **sample, korr_endpoint *endpoint) {
	if (endpoint->user_data != NULL) dds_free(endpoint->user_data);
	if (sample[0] != NULL) dds_return_loan(builtin, sample, 1);
}
