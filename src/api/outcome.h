/* What came out of a run, on the host: samples, moments, agreement with the measurement, scores. */
#ifndef PNB_API_OUTCOME_H
#define PNB_API_OUTCOME_H

#include "api/handles.h"
#include "eval/metrics.h"
#include "eval/posterior.h"

typedef struct pnb_outcome {
    uint32_t k;
    uint64_t count;             /* elements of one sample */
    float *samples;             /* [k, image...], finite */
    float *before_finish;       /* likewise; NULL where there was no finish */
    float *mean, *std;          /* [image...] */
    double *chi2, *chi2_before; /* [k]; NULL: draws from a prior; no finish */
    double *chi2_terms;         /* [terms of the operator][k]; NULL: it has one kind of data */
    pnb_metrics metrics;
    pnb_gmm prior, posterior; /* exact, for mixtures under linear operators; all zero otherwise */
    double *matrix;           /* A [m,dim] of that operator; NULL otherwise */
    bool exact;
    pnb_posterior_scores distance; /* where exact */
} pnb_outcome;

/* Reads the run's samples and works everything out. Non-finite samples: PNB_ERROR_NUMERIC that names the step. */
pnb_status pnb_outcome_read(pnb_run *run, pnb_outcome *out);
void pnb_outcome_finish(pnb_outcome *outcome); /* accepts an all-zero struct */
/* run.json. */
pnb_status pnb_outcome_json(pnb_run *run, const pnb_outcome *outcome, cJSON **out);
/* Scores as an object; what does not apply is left out. */
cJSON *pnb_scores_object(const pnb_metrics *metrics, bool truth);

/* figures.c: the PNG files of an output folder. */
pnb_status pnb_outcome_figures(pnb_run *run, const pnb_outcome *outcome, const char *folder);

#endif
