/* What the files of this room share: the prior, the adapter, and the layers that networks are built of. */
#ifndef PNB_PRIOR_INTERNAL_H
#define PNB_PRIOR_INTERNAL_H

#include "io/safetensors.h"
#include "prior/adm_config.h"
#include "prior/gmm_host.h"
#include "prior/prior.h"
#include "prior/weights.h"

#include <cjson/cJSON.h>

/* A time-conditioned MLP: [N,inputs] -> [N,dim]. inputs is dim for a prior. */
typedef struct pnb_mlp_config {
    uint32_t inputs, dim, hidden, depth;
} pnb_mlp_config;

struct pnb_prior {
    pnb_error *err;
    pnb_prior_kind kind;
    pnb_schedule schedule;
    pnb_weights weights;
    uint32_t size_hint;
    char describe[768];
    pnb_adm_config adm; /* one of the three is filled, by kind */
    pnb_mlp_config mlp;
    pnb_gmm gmm;
};

struct pnb_adapter {
    pnb_error *err;
    pnb_prior *prior; /* borrowed */
    pnb_adapter_params params;
    pnb_weights weights;
    pnb_mlp_config mlp; /* mixture and MLP priors */
};

/* ---- layers.c: layers by name, with the low-rank part of an adapter where it has one -------------------------------
 */

typedef struct pnb_net {
    pnb_graph *g;
    const pnb_weights *weights;
    const pnb_adapter *adapter; /* NULL: none */
    uint32_t begin;             /* rows [begin, N) get the adapter */
} pnb_net;

pnb_status pnb_net_conv(const pnb_net *net, const char *name, pnb_tensor x, uint32_t stride, uint32_t pad,
                        pnb_tensor *y);
pnb_status pnb_net_linear(const pnb_net *net, const char *name, pnb_tensor x, pnb_tensor *y);
/* Group norm of 32 groups, eps 1e-5. scale_shift may be PNB_NONE. */
pnb_status pnb_net_norm(const pnb_net *net, const char *name, pnb_tensor x, pnb_tensor scale_shift, bool silu,
                        pnb_tensor *y);

/* ---- one file each ------------------------------------------------------------------------------------------------
 */

/* preset.c */
typedef struct pnb_preset {
    const char *name;
    uint32_t size;
    pnb_adm_config config; /* without its layers */
} pnb_preset;
const pnb_preset *pnb_presets(size_t *count);
const pnb_preset *pnb_preset_find(const char *name); /* NULL: there is none */
pnb_status pnb_preset_fill(pnb_prior *p, const pnb_preset *preset, uint32_t width, uint64_t seed);

/* adm.c */
pnb_status pnb_adm_load(pnb_prior *p, pnb_safetensors *file);
pnb_status pnb_adm_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                       pnb_tensor *eps);

/* mlp.c */
pnb_status pnb_mlp_load(pnb_prior *p, pnb_safetensors *file);
/* Describe the parameters of an MLP; filled ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)) from the seed, the last layer zero if
 * zero_last. */
pnb_status pnb_mlp_describe(pnb_weights *w, pnb_mlp_config c, pnb_storage_kind kind, uint64_t seed, bool zero_last);
pnb_status pnb_mlp_eps(const pnb_weights *w, pnb_mlp_config c, pnb_graph *g, pnb_tensor x, pnb_level level,
                       pnb_tensor *eps);
/* fourier.c: sin(0.15 k lambda), cos(0.15 k lambda), k = 1..8, of the log-SNR lambda = 2 ln(alpha/sigma): [N] ->
 * [N,16]. */
enum { PNB_FOURIER_DIM = 16 };
pnb_status pnb_log_snr_features(pnb_graph *g, pnb_tensor alpha, pnb_tensor sigma, pnb_tensor *y);

/* gmm.c */
pnb_status pnb_gmm_describe(pnb_prior *p);
pnb_status pnb_gmm_graph_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, pnb_tensor *eps);

/* adapter.c: the whole eps of vector priors with an adapter (theirs is no sum of layers). */
pnb_status pnb_adapter_vector_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level,
                                  const pnb_eps_params *params, pnb_tensor *eps);
/* A whole number from the file's metadata, or from the config.json beside it (member `key` of it or of its "config");
 * fallback where neither has it. */
int32_t pnb_load_hint(const pnb_safetensors *file, const cJSON *config, const char *key, int32_t fallback);

#endif
