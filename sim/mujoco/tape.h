// Inside the shim: see tape.c.
#ifndef KORR_TAPE_H
#define KORR_TAPE_H
#include "shim.h"
// Writes the inputs of the coming physics step and moves s->tape on.
void korr_tape_write(korr_sim* s);
#endif
