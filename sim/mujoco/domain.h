// Physics drawn for an episode.
#ifndef KORR_DOMAIN_H
#define KORR_DOMAIN_H
#include "shim.h"

// A copy of the model as it was compiled. Take it before the first korr_reset.
mjModel* korr_domain_base(const korr_sim* s);
void korr_domain_free(mjModel* base);
// Sets the model's constants to the base's, times these factors: mass[npart], friction[npart + 1] (the last for table and
// obstacle), gain of the arm's servos. mass NULL: the base's exactly. The caller resets or overwrites s->d afterwards.
void korr_domain_apply(korr_sim* s, const mjModel* base, const double* mass, const double* friction, double gain);
// How deep parts stand in each other or in the obstacle (m), after korr_forward.
double korr_domain_overlap(const korr_sim* s);
#endif
