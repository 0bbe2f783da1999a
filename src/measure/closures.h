/* Closure quantities: what station gains and phases leave untouched, in sets of which none follows from the others.
 *
 * At each time, with n stations and all baselines, (n-1)(n-2)/2 closure phases and n(n-3)/2 log closure amplitudes:
 *     triangle    arg(V_0 V_1 conj(V_2)),  quadrangle    ln|V_0| + ln|V_1| - ln|V_2| - ln|V_3|.
 * The reference station, of the highest signal-to-noise ratio, is in all triangles, and in all quadrangles through one
 * of its baselines to each later station; where baselines are missing, others make the sets as large as they can be. */
#ifndef PNB_MEASURE_CLOSURES_H
#define PNB_MEASURE_CLOSURES_H

#include "io/uvdata.h"

enum { PNB_CLOSURE_MAX_STATIONS = 32 }; /* at one time */

typedef struct pnb_closures {
    uint32_t (*triangles)[3]; /* records of the data */
    uint32_t (*quadrangles)[4];
    uint32_t n_triangles, n_quadrangles;
} pnb_closures;

/* Of data in groups (pnb_uvdata_group). Free with pnb_closures_free, also after a failure. */
pnb_status pnb_closures_find(pnb_error *err, const pnb_uvdata *d, pnb_closures *out);
void pnb_closures_free(pnb_closures *c);

#endif
