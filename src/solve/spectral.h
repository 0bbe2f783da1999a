/* Numbers that depend on the step and on a singular value of the operator, for methods that work coefficient by
 * coefficient (PiGDM, DDRM). */
#ifndef PNB_SOLVE_SPECTRAL_H
#define PNB_SOLVE_SPECTRAL_H

#include "solve/phases.h"

typedef struct pnb_spectral {
    pnb_storage *table;    /* [steps, kinds * count] */
    uint32_t first;        /* step that its row 0 belongs to */
    float *values;         /* its host copy until it is written */
    const float *singular; /* the operator's; NULL: it has none, nothing else is set */
    uint32_t count, kinds;
} pnb_spectral;

/* Describes the table of `steps` steps from `first` on; fill values[((step - first) * kinds + kind) * count + i] before pnb_spectral_write,
 * after commit, which also frees them. pnb_spectral_finish on every path. */
pnb_status pnb_spectral_describe(pnb_solver *s, uint32_t kinds, uint32_t first, uint32_t steps, pnb_spectral *out);
pnb_status pnb_spectral_write(pnb_solver *s, pnb_spectral *t);
void pnb_spectral_finish(pnb_spectral *t);
/* Coefficients c, [K, ...] of `count` elements (of any shape: those of pictures are pictures) or of any number where count is 1, times
 * the numbers of one kind at this step. */
pnb_status pnb_spectral_times(const pnb_solver *s, pnb_graph *g, const pnb_spectral *t, pnb_tensor state, uint32_t kind,
                              pnb_tensor c, pnb_tensor *out);

#endif
