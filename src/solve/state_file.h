/* Every VARIABLE tensor of some stores in one safetensors file, and back: what checkpoints are made of. */
#ifndef PNB_SOLVE_STATE_FILE_H
#define PNB_SOLVE_STATE_FILE_H

#include "graph/graph.h"
#include "io/safetensors.h"

typedef struct pnb_state_part {
    const char *prefix; /* "solver": its tensors are "solver/x", ... */
    pnb_store *store;   /* NULL: there is none */
} pnb_state_part;

/* Atomic, with the metadata given. The device has finished. */
pnb_status pnb_state_write(pnb_error *err, pnb_gpu *gpu, const char *path, const pnb_state_part *parts, size_t n,
                           const pnb_safetensors_pair *metadata, size_t n_metadata);
/* Names and shapes must match. */
pnb_status pnb_state_read(pnb_error *err, pnb_gpu *gpu, pnb_safetensors *file, const pnb_state_part *parts, size_t n);

/* Mixes which candidates a program took into a hash: a run's bytes depend on them (phases.c). */
uint64_t pnb_choices_mix(uint64_t hash, const pnb_program *program);

#endif
