/* The lists of tensors that the fused optimiser walks over. */
#include "train/learner.h"

#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 192 };

static void moment_name(const pnb_learner *l, int k, const pnb_storage *w, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "%.20s%c.%.150s", l->prefix, "mv"[k], pnb_storage_name(w));
}

pnb_status pnb_learner_describe(const pnb_learner *l, pnb_error *err) {
    pnb_store *weights = pnb_prior_store(l->network);
    size_t n = pnb_store_count(weights);
    pnb_storage **moments = malloc((n ? n : 1) * sizeof *moments);
    pnb_status status = moments ? PNB_OK : pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "train: no host memory for a list");
    for (int k = 0; k < 2 && status == PNB_OK; k++) {
        for (size_t i = 0; i < n && status == PNB_OK; i++) {
            const pnb_storage *w = pnb_store_at(weights, i);
            char name[NAME_SIZE];
            moment_name(l, k, w, name);
            status = pnb_store_add(l->store, name, pnb_storage_shape(w), PNB_STORAGE_VARIABLE, &moments[i]);
        }
        if (status == PNB_OK) status = pnb_store_group(l->store, moments, n);
    }
    free(moments);
    return status;
}

/* One list each of weights, moments, running means, gradients. */
enum { W, M, V, EMA, GRAD, LISTS };

static pnb_status bind_lists(const pnb_learner *l, pnb_graph *g, size_t n, pnb_tensor *list) {
    for (size_t i = 0; i < n; i++) {
        pnb_storage *w = pnb_store_at(pnb_prior_store(l->network), i);
        pnb_storage *ema = pnb_store_find(pnb_prior_store(l->average), pnb_storage_name(w));
        char name[NAME_SIZE];
        if (!ema)
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INTERNAL, "train: the running mean has no '%s'",
                            pnb_storage_name(w));
        PNB_TRY(pnb_graph_bind(g, w, &list[W * n + i]));
        PNB_TRY(pnb_graph_bind(g, ema, &list[EMA * n + i]));
        for (int k = 0; k < 2; k++) {
            moment_name(l, k, w, name);
            PNB_TRY(pnb_graph_bind(g, pnb_store_find(l->store, name), &list[(size_t)(M + k) * n + i]));
        }
    }
    return PNB_OK;
}

static pnb_status learn(const pnb_learner *l, pnb_graph *g, pnb_tensor state, pnb_tensor out, pnb_tensor cotangent,
                        double gscale, size_t n, pnb_tensor *list) {
    pnb_adam adam = {.beta1 = (float)l->beta1,
                     .beta2 = (float)l->beta2,
                     .eps = 1e-8f,
                     .decay = (float)l->decay,
                     .gscale = (float)gscale,
                     .lr_index = PNB_STATE_LR,
                     .clip_index = PNB_LEARNER_CLIP,
                     .ema_index = l->ema_index};
    pnb_tensor *grad = list + GRAD * n;
    PNB_TRY(bind_lists(l, g, n, list));
    PNB_TRY(pnb_graph_grad(g, &out, &cotangent, 1, list + W * n, n, grad));
    PNB_TRY(pnb_clip_norm(g, grad, n, (float)gscale, (float)l->clip, state, PNB_LEARNER_CLIP));
    return pnb_adam_steps(g, list + W * n, list + M * n, list + V * n, list + EMA * n, grad, n, state, adam);
}

pnb_status pnb_learner_step(const pnb_learner *l, pnb_graph *g, pnb_tensor state, pnb_tensor out, pnb_tensor cotangent,
                            double gscale) {
    size_t n = pnb_store_count(pnb_prior_store(l->network));
    pnb_tensor *list = malloc((LISTS * n + 1) * sizeof *list);
    if (!list) return pnb_fail(pnb_graph_error(g), PNB_ERROR_OUT_OF_MEMORY, "train: no host memory for a list");
    pnb_status status = learn(l, g, state, out, cotangent, gscale, n, list);
    free(list);
    return status;
}
