/* The step state on the device: what advances it and what reads it. Layout: shaders/solve/step_state_layout.h. */
#ifndef PNB_SOLVE_STEP_STATE_H
#define PNB_SOLVE_STEP_STATE_H

#include "graph/graph.h"
#include "prior/prior.h"

#include "solve/step_state_layout.h"

/* Betas of the two Adam optimisers whose bias corrections the state carries. */
typedef struct pnb_advance {
    uint32_t flags; /* PNB_ADVANCE_... */
    float beta1, beta2, aux_beta1, aux_beta2;
} pnb_advance;

/* First node of a program: advances `state` [PNB_STATE_SIZE] in place from `table` [rows, PNB_ROW_SIZE]. */
pnb_status pnb_step_state_advance(pnb_graph *g, pnb_tensor state, pnb_tensor table, pnb_advance advance);

/* [n] copies of one float of the state. */
pnb_status pnb_spread(pnb_graph *g, pnb_tensor state, uint32_t index, uint32_t n, pnb_tensor *y);

/* Initial value of the state: running products 1, everything else 0. values: [PNB_STATE_SIZE]. */
void pnb_step_state_initial(float *values);

typedef enum pnb_t_sampling { PNB_T_LOG_SNR, PNB_T_UNIFORM, PNB_T_DESCENDING } pnb_t_sampling;

typedef struct pnb_level_params {
    uint32_t count, group; /* samples; samples stratified together */
    uint64_t seed;
    uint32_t stream;
    pnb_t_sampling sampling;
    bool constant_weight; /* weight 1 instead of the exact-KL weight */
    float weight;         /* multiplies the weight */
} pnb_level_params;

typedef struct pnb_levels {
    pnb_level level;         /* t, alpha, sigma: [count] */
    pnb_tensor coef, weight; /* [count]: 2 w alpha, and w */
} pnb_levels;

/* Draw noise levels from the window in the state. schedule: [T,4] (alpha, sigma, log-SNR, time), from
 * pnb_schedule_table.
 */
pnb_status pnb_draw_levels(pnb_graph *g, pnb_tensor state, pnb_tensor schedule, pnb_level_params params,
                           pnb_levels *out);

/* Adds the FROZEN tensor [T,4] for a schedule to a store; write it after commit with pnb_schedule_table_write. */
pnb_status pnb_schedule_table_add(pnb_store *store, const pnb_schedule *schedule, pnb_storage **out);
pnb_status pnb_schedule_table_write(pnb_storage *s, pnb_gpu *gpu, const pnb_schedule *schedule, pnb_error *err);

#endif
