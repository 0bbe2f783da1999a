/* Chooses between candidates by their times: what profiled programs took for each choice, and which candidate wins.
 *
 *     for each candidate number i:
 *         pnb_choices_explore(pnb_gpu_choices(gpu), i); build programs with params.profile
 *         several times: pnb_program_run_profiled(p); pnb_tuner_take(t, p) for each p; pnb_tuner_close(t);
 *     pnb_choices_explore(..., -1); pnb_tuner_decide(t, PNB_TUNE_MARGIN, &rows, &n);
 *
 * The programs must be the same but for their choices, so that the sums for a key can be compared. */
#ifndef PNB_GRAPH_TUNE_H
#define PNB_GRAPH_TUNE_H

#include "graph/graph.h"

/* A candidate takes the place of the preferred one only if it is faster by this factor: noise must not decide. */
#define PNB_TUNE_MARGIN 1.03

typedef struct pnb_tuner pnb_tuner;

pnb_status pnb_tuner_create(pnb_error *err, pnb_tuner **out);
void pnb_tuner_destroy(pnb_tuner **tuner);

/* A time of the open sample: choice->name took ms more under choice->key. */
pnb_status pnb_tuner_add(pnb_tuner *t, const pnb_choice_made *choice, double ms);
/* The times of the last profiled run of p. */
pnb_status pnb_tuner_take(pnb_tuner *t, pnb_program *p);
/* Ends a sample: what was added since the last call counts as one measurement of each key and candidate in it. */
pnb_status pnb_tuner_close(pnb_tuner *t);
/* The most candidates that any key has so far; at least 1. */
uint32_t pnb_tuner_candidates(const pnb_tuner *t);

typedef struct pnb_tuned {
    const char *key, *winner, *preferred; /* the tuner's own */
    double ms, preferred_ms;              /* lower quartiles of the samples */
} pnb_tuned;
/* One row a key that was measured with two candidates or more, the preferred one among them; in the order of their
 * first appearance. Valid until the next call. */
pnb_status pnb_tuner_decide(pnb_tuner *t, double margin, const pnb_tuned **rows, size_t *count);

#endif
