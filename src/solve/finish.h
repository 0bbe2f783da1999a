/* What a method may end with (algorithms.md 2.10): samples are noised to a level and brought down from it with the
 * prior and the measurement alone. It puts right all that is narrower than that level, and leaves what is wider as it
 * found it.
 *
 * langevin: guided Langevin steps at falling levels (langevin.c). Forward passes only; any differentiable operator.
 * pigdm: the reverse process with PiGDM's exact weight (pigdm.c). Linear operators.
 */
#ifndef PNB_SOLVE_FINISH_H
#define PNB_SOLVE_FINISH_H

#include "solve/pigdm.h"

typedef enum pnb_finish_kind { PNB_FINISH_NONE, PNB_FINISH_LANGEVIN, PNB_FINISH_PIGDM } pnb_finish_kind;

typedef struct pnb_finish {
    pnb_finish_kind kind;
    pnb_langevin steps; /* pigdm: its steps and levels; step_size and project have no meaning */
    int32_t covariance; /* pigdm: PNB_PIGDM_ISOTROPIC or PNB_PIGDM_JACOBIAN */
    pnb_pigdm pigdm;    /* working memory */
} pnb_finish;

/* Describes its rows from row `first` on and the copy of the samples as they were before; before pnb_solver_commit. */
pnb_status pnb_finish_describe(pnb_solver *s, pnb_finish *f, uint32_t first);
/* Appends its phase; after the programs of the others. */
pnb_status pnb_finish_append(pnb_solver *s, pnb_finish *f);
/* Frees working memory, on every path. */
void pnb_finish_release(pnb_finish *f);

#endif
