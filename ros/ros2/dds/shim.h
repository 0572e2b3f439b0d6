//go:build ros2

// Cyclone DDS with payloads that are serialised already: a type is its name, a sample is its CDR with the header.
#ifndef KORR_DDS_SHIM_H
#define KORR_DDS_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dds/dds.h>

// korr_qos is a quality of service; times are in ns, 0 = none.
typedef struct {
	bool reliable, transient_local, keep_all;
	int32_t depth;
	int64_t deadline, lifespan, lease; // lease: of an automatic liveliness
	const char *user_data;
} korr_qos;

// korr_status is what happened to a reader or a writer since it was last asked.
typedef struct {
	uint32_t changed; // DDS_..._STATUS bits
	uint32_t matched; // endpoints matched now
	uint32_t alive;   // writers alive, of a reader
	uint32_t deadlines, lost;
	uint32_t policy; // of the endpoint that did not match, a dds_qos_policy_id
} korr_status;

// korr_sample is one sample taken. data belongs to the sample.
typedef struct {
	const unsigned char *data;
	size_t size;
	int64_t source; // ns since 1970
	uint64_t writer; // handle
	bool valid;
	void *ref;
} korr_sample;

// korr_endpoint is a reader or writer of the graph.
typedef struct {
	dds_guid_t key, participant;
	const char *topic, *type;
	korr_qos qos;
	void *user_data;
	size_t user_size;
	bool gone;
} korr_endpoint;

dds_entity_t korr_topic(dds_entity_t participant, const char *name, const char *type, const void **sertype);
dds_entity_t korr_writer(dds_entity_t participant, dds_entity_t topic, const korr_qos *qos);
dds_entity_t korr_reader(dds_entity_t participant, dds_entity_t topic, const korr_qos *qos);
dds_return_t korr_write(dds_entity_t writer, const void *sertype, const void *data, size_t size);
// korr_take takes up to n samples, which korr_release gives back. The result is their number, or an error below 0.
dds_return_t korr_take(dds_entity_t reader, korr_sample *samples, uint32_t n);
void korr_release(korr_sample *samples, uint32_t n);
dds_return_t korr_guid(dds_entity_t entity, unsigned char *guid);
// korr_sender writes the GUID of a writer whose samples a reader takes; false if it is not matched any more.
bool korr_sender(dds_entity_t reader, uint64_t writer, unsigned char *guid);
// korr_reaches reports whether a matched reader belongs to the participant of an endpoint.
bool korr_reaches(dds_entity_t writer, const unsigned char *endpoint);
void korr_reader_status(dds_entity_t reader, korr_status *status);
void korr_writer_status(dds_entity_t writer, korr_status *status);
// korr_graph takes one change of the writers (or readers) of the domain; 0 when there is none.
dds_return_t korr_graph(dds_entity_t builtin, void **sample, korr_endpoint *endpoint);
void korr_graph_release(dds_entity_t builtin, void **sample, korr_endpoint *endpoint);

#endif
