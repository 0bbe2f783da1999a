/* The finish of a method: a snapshot, noise, and steps down from its level. */
#include "solve/finish.h"

#include "ops/ops.h"

#include <math.h>

pnb_status pnb_finish_describe(pnb_solver *s, pnb_finish *f, uint32_t first) {
    if (f->kind == PNB_FINISH_NONE) return PNB_OK;
    PNB_TRY(pnb_store_add(s->store, "before", s->sample, PNB_STORAGE_VARIABLE, &s->before));
    if (f->kind == PNB_FINISH_LANGEVIN) {
        pnb_langevin_rows(s, &f->steps, first);
        return PNB_OK;
    }
    pnb_pigdm_options o = pnb_pigdm_exact(s->particles, f->steps.steps, f->covariance, f->steps.rho_start, f->steps.rho);
    return pnb_pigdm_describe(s, &o, first, &f->pigdm);
}

/* Keeps x as it is before the finish, then takes it to the first level's noise: x + rho xi, for pigdm scaled to x_t. */
static pnb_status snapshot_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const pnb_finish *f = user;
    double rho = f->steps.rho_start, alpha = f->kind == PNB_FINISH_PIGDM ? 1 / sqrt(1 + rho * rho) : 1;
    pnb_tensor x, before, xi, noisy;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, s->before, &before));
    PNB_TRY(pnb_assign(g, before, x));
    if (f->steps.rho_start <= f->steps.rho) return PNB_OK;
    PNB_TRY(pnb_noise_normal(g, s->sample, s->task.seed, PNB_STREAM_FINISH, PNB_NONE, 0, &xi));
    PNB_TRY(pnb_axpby(g, (float)alpha, PNB_NONE, x, (float)(alpha * rho), PNB_NONE, xi, &noisy));
    return pnb_assign(g, x, noisy);
}

pnb_status pnb_finish_append(pnb_solver *s, pnb_finish *f) {
    bool pigdm = f->kind == PNB_FINISH_PIGDM;
    pnb_program *snapshot, *step;
    s->finish_phase = s->n_phases;
    if (f->kind == PNB_FINISH_NONE) return PNB_OK;
    if (pigdm)
        PNB_TRY(pnb_pigdm_program(s, &f->pigdm, &step));
    else
        PNB_TRY(pnb_langevin_program(s, &f->steps, &step));
    PNB_TRY(pnb_solver_build(s, "snapshot", snapshot_graph, f, &snapshot));
    s->phases[s->n_phases++] = (pnb_phase){.name = pigdm ? "pigdm finish" : "langevin finish",
                                           .steps = f->steps.steps,
                                           .losses = PNB_LOSS_DATA,
                                           .n_items = 2,
                                           .items = {{snapshot, 0, 1, 0}, {step, 1, 1, s->particles}}};
    return PNB_OK;
}

void pnb_finish_release(pnb_finish *f) {
    pnb_spectral_finish(&f->pigdm.spectral);
}
