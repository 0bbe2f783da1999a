/* What the files of this room share: the prior, the adapter, and the layers that networks are built of. */
#ifndef PNB_PRIOR_INTERNAL_H
#define PNB_PRIOR_INTERNAL_H

#include "io/tensor_file.h"
#include "prior/adm_config.h"
#include "prior/gmm_host.h"
#include "prior/precondition.h"
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
    double fov_uas, pixel_nm; /* width of the images on the sky, side of a pixel in the specimen; 0: not said */
    char describe[768];
    const char *architecture; /* static */
    pnb_unet unet;            /* one of the three is filled, by kind */
    pnb_mlp_config mlp;
    pnb_gmm gmm;
    pnb_precondition precondition; /* U-Nets */
    uint32_t tile, overlap;        /* of larger images the network sees such tiles; 0: all at once */
    bool generator;                /* a trained generator's network: it makes samples, it predicts no noise */
    bool half;                     /* narrow storage in its graphs */
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
/* t is made again for the backward pass (pnb_graph_remake) where it is large. */
void pnb_net_remake(const pnb_net *net, pnb_tensor t);
/* Group norm, made again for the backward pass. scale_shift may be PNB_NONE. */
pnb_status pnb_net_norm(const pnb_net *net, const char *name, pnb_tensor x, pnb_tensor scale_shift, uint32_t groups,
                        float eps, bool silu, pnb_tensor *y);

/* ---- one file each ------------------------------------------------------------------------------------------------
 */

/* prior.c: a U-Net without layers, for index time and the linear schedule of 1000 steps. */
pnb_status pnb_prior_create_empty(pnb_error *err, pnb_prior **out);
/* One of any kind, without weights. */
pnb_status pnb_prior_create_of(pnb_error *err, pnb_prior_kind kind, pnb_schedule_kind schedule, uint32_t steps,
                               pnb_prior **out);

/* preset.c */
typedef struct pnb_preset {
    const char *name;
    uint32_t size;
    pnb_adm_config config; /* without its layers */
} pnb_preset;
const pnb_preset *pnb_presets(size_t *count);
const pnb_preset *pnb_preset_find(const char *name); /* NULL: there is none */
pnb_status pnb_preset_fill(pnb_prior *p, const pnb_preset *preset, uint32_t width, uint64_t seed);

/* unet_load.c. A reader makes prior->unet, and what else its code base tells of a prior: size_hint, describe,
 * architecture, precondition, schedule (which is linear or cosine by the file's metadata already). */
typedef struct pnb_unet_source {
    pnb_tensor_list tensors; /* without the prefix that wrappers give them */
    const pnb_tensor_file *file;
    const cJSON *config; /* that of the metadata, or config.json beside the file; NULL: there is none */
} pnb_unet_source;
typedef struct pnb_unet_reader {
    const char *name; /* what the metadata's architecture says */
    const char *mark; /* a tensor that every file of its code base has, and no other */
    pnb_status (*read)(pnb_prior *p, const pnb_unet_source *source);
} pnb_unet_reader;
extern const pnb_unet_reader pnb_adm_reader, pnb_diffusers_reader, pnb_edm_reader;
/* What wrappers put before the names of a network's tensors: "model.", "ema.", "state_dict.module.", or nothing. */
typedef struct pnb_prefix {
    const char *text; /* not ended there; borrowed from the file */
    size_t length;
} pnb_prefix;
/* Where a tensor of this name stands, whatever is before it; of several the averaged weights, else the first. */
bool pnb_unet_find_mark(const char *mark, const pnb_tensor_file *file, pnb_prefix *prefix);
/* The reader of a file, by its word or, without one, by the marks; NULL: there is none. */
const pnb_unet_reader *pnb_unet_recognise(const pnb_tensor_file *file, const char *word, pnb_prefix *prefix);
pnb_status pnb_unet_load(pnb_prior *p, const pnb_unet_reader *reader, pnb_prefix prefix, pnb_tensor_file *file);
/* A value of the file's metadata, or of the config.json beside it (member `key` of its "config" or of it); fallback or
 * NULL where neither has it. */
const char *pnb_load_word(const pnb_tensor_file *file, const cJSON *config, const char *key);
double pnb_load_number(const pnb_tensor_file *file, const cJSON *config, const char *key, double fallback);
int32_t pnb_load_hint(const pnb_tensor_file *file, const cJSON *config, const char *key, int32_t fallback);
/* Sets precondition and what the network receives as time by the word "precond" (vp, edm, none) or, where the source
 * has none, by the fallback; *word is the one that was taken. */
pnb_status pnb_load_precondition(pnb_prior *p, const pnb_unet_source *source, const char *fallback, const char **word);

/* unet_graph.c. weights: the prior's, or a copy of them; the adapter of params is a low-rank one. */
pnb_status pnb_unet_eps(pnb_prior *p, const pnb_weights *weights, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                        pnb_tensor *eps);

/* mlp.c */
pnb_status pnb_mlp_load(pnb_prior *p, pnb_tensor_file *file);
void pnb_mlp_say(pnb_prior *p); /* its description */
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

/* adapter.c: the whole eps with an adapter that is no sum of layers: of vector priors, and of copies. */
bool pnb_adapter_is_copy(const pnb_adapter *a);
pnb_status pnb_adapter_whole_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level,
                                  const pnb_eps_params *params, pnb_tensor *eps);

#endif
