/* The shape of an ADM U-Net: worked out from the names and shapes of its tensors, and laid out as a list of layers.
 *
 * One list serves all: which tensors there must be, how many parameters, which layers an adapter may take, how to build
 * it.
 */
#ifndef PNB_PRIOR_ADM_CONFIG_H
#define PNB_PRIOR_ADM_CONFIG_H

#include "graph/graph.h"

enum { PNB_ADM_MAX_LEVELS = 12, PNB_ADM_NAME_SIZE = 64 };

/* A tensor as a file lists it. */
typedef struct pnb_tensor_info {
    const char *name; /* borrowed; any prefix already stripped */
    uint32_t rank;
    uint64_t shape[4];
} pnb_tensor_info;

/* What names and shapes do not tell. Zero (or negative) values mean "not given". */
typedef struct pnb_adm_hints {
    int32_t head_channels, heads;
    bool new_order;
} pnb_adm_hints;

typedef enum pnb_adm_kind { PNB_ADM_CONV, PNB_ADM_RES, PNB_ADM_ATTENTION, PNB_ADM_DOWN, PNB_ADM_UP } pnb_adm_kind;

typedef struct pnb_adm_layer {
    pnb_adm_kind kind;
    char name[PNB_ADM_NAME_SIZE]; /* of the layer, "" for pooling and plain upsampling, which have no tensors */
    uint32_t in, out;             /* channels; in counts a concatenated skip */
    int32_t resample;             /* residual blocks: -1 halves, +1 doubles the image */
    uint32_t heads;               /* attention */
    bool pop, push;               /* concatenate a skip before, keep the output as a skip after */
} pnb_adm_layer;

typedef struct pnb_adm_config {
    uint32_t in_channels, out_channels, model_channels, res_blocks, levels, classes;
    uint32_t channels[PNB_ADM_MAX_LEVELS]; /* of each level */
    bool attention[PNB_ADM_MAX_LEVELS];
    bool scale_shift, resblock_updown, conv_resample, new_order;
    uint32_t head_channels, heads; /* one of them is 0 */
    bool heads_assumed;
    pnb_adm_layer *layers; /* owned */
    size_t n_layers;
} pnb_adm_config;

/* Works it out and checks every tensor: unknown, missing or misshapen ones are named (PNB_ERROR_MODEL). */
pnb_status pnb_adm_config_infer(pnb_error *err, const pnb_tensor_info *tensors, size_t count, pnb_adm_hints hints,
                                pnb_adm_config *out);
/* Fills `layers` from the other fields (heads included), for a network that is made from scratch. */
pnb_status pnb_adm_config_lay_out(pnb_error *err, pnb_adm_config *c);
void pnb_adm_config_finish(pnb_adm_config *c);

/* Calls visit for every tensor in state-dict order; stops at the first status that is not PNB_OK and returns it. */
typedef pnb_status (*pnb_adm_visit)(void *user, const char *name, pnb_shape shape);
pnb_status pnb_adm_config_tensors(const pnb_adm_config *c, pnb_adm_visit visit, void *user);
uint64_t pnb_adm_config_parameters(const pnb_adm_config *c);
/* One sentence into buf. */
void pnb_adm_config_text(const pnb_adm_config *c, char *buf, size_t size);

#endif
