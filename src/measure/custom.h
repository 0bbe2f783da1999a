/* Operators of the user's own: a pair of compute shaders, or a function of the application's. */
#ifndef PNB_MEASURE_CUSTOM_H
#define PNB_MEASURE_CUSTOM_H

#include "measure/operator.h"

/* y = A x of one image, in the application: returns 0, or anything else to fail. It must be linear. */
typedef int (*pnb_linear_fn)(void *user, const float *from, float *to);

typedef struct pnb_custom_callback {
    const char *name; /* for sentences; copied */
    pnb_shape measurement;
    pnb_linear_fn apply, adjoint; /* adjoint may be NULL */
    void *user;
} pnb_custom_callback;

/* An operator of type custom from functions: apply is called once for each element of the image and its columns are kept as a sparse
 * matrix (at most 2^26 entries that are not 0), so that no step waits for the host. Functions that are not linear, or not each
 * other's adjoint, are refused with the numbers (PNB_ERROR_INPUT). They are not called after this returns. */
pnb_status pnb_operator_create_callback(pnb_error *err, pnb_shape image, const pnb_custom_callback *callback, pnb_operator **out);

struct pnb_custom;
void pnb_custom_destroy(struct pnb_custom **custom); /* accepts NULL */
uint64_t pnb_custom_hash(const struct pnb_custom *custom, uint64_t hash);

#endif
