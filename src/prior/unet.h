/* U-Nets, whatever code base they come from: a list of layers with the names of their tensors, and a few switches.
 *
 * One list serves all: which tensors there must be, how many parameters, which layers an adapter may take, how to build
 * the graph. A reader of each code base (adm_config.c, edm_config.c) makes it from a checkpoint.
 */
#ifndef PNB_PRIOR_UNET_H
#define PNB_PRIOR_UNET_H

#include "graph/graph.h"
#include "ops/ops.h"

enum { PNB_UNET_NAME_SIZE = 64 };

/* A tensor as a file lists it. */
typedef struct pnb_tensor_info {
    const char *name; /* borrowed; any prefix already stripped */
    uint32_t rank;
    uint64_t shape[4];
} pnb_tensor_info;

typedef struct pnb_tensor_list {
    const pnb_tensor_info *tensors;
    size_t count;
} pnb_tensor_list;

/* What a code base calls the parts of its layers: "<layer>.<part>.weight" and ".bias". */
typedef struct pnb_unet_names {
    const char *time[2]; /* the linear layers of the time embedding (whole names) */
    const char *label;   /* its class embedding (whole name, without ".weight") */
    const char *res_norm[2], *res_conv[2], *res_time, *res_skip;
    const char *attention_norm, *qkv[3], *proj; /* qkv: one layer for all three, or three */
    uint32_t attention_rank;                    /* of its weights: 2 linear, 3 and 4 convolutions of size 1 */
} pnb_unet_names;

typedef enum pnb_unet_kind {
    PNB_UNET_CONV,
    PNB_UNET_RES,
    PNB_UNET_ATTENTION,
    PNB_UNET_DOWN,
    PNB_UNET_UP
} pnb_unet_kind;

typedef struct pnb_unet_layer {
    pnb_unet_kind kind;
    char name[PNB_UNET_NAME_SIZE]; /* "" for pooling and plain upsampling, which have no tensors */
    uint32_t in, out;              /* channels; in counts a concatenated skip */
    int32_t resample;              /* residual blocks: -1 halves, +1 doubles the image */
    uint32_t heads;                /* attention */
    bool bare;                     /* attention without a norm of its own */
    bool pop, push;                /* concatenate a skip before, keep the output as a skip after */
} pnb_unet_layer;

typedef enum pnb_unet_label {
    PNB_LABEL_TABLE,  /* [classes, embedding], added to the embedding */
    PNB_LABEL_LINEAR, /* [embedding, classes], added to the embedding */
    PNB_LABEL_NOISE   /* [time channels, classes] times sqrt(classes), and a bias, added to sines and cosines */
} pnb_unet_label;

typedef struct pnb_unet {
    const pnb_unet_names *names;
    uint32_t in_channels, out_channels, levels, classes; /* classes 0: none */
    uint32_t time_channels, embedding;                   /* sines and cosines; what the blocks see */
    bool sin_first, endpoint;                            /* of the sines and cosines (ops.h) */
    pnb_unet_label label;
    uint32_t groups, group_least; /* of norms: min(groups, channels / group_least) */
    float norm_eps;
    bool scale_shift;      /* the embedding scales and shifts after the second norm; else it is added before it */
    bool skip_on_resample; /* blocks that resample have a skip convolution even where channels do not change */
    float residual_scale;  /* of the sums x + f(x) */
    pnb_qkv_order order;
    bool pad_after; /* strided convolutions pad below and to the right only */
    bool centre;    /* the network sees 2x - 1 */
    char out_norm[PNB_UNET_NAME_SIZE], out_conv[PNB_UNET_NAME_SIZE];
    pnb_unet_layer *layers;         /* owned */
    size_t n_layers, room, n_skips; /* n_skips: most that are kept at a time */
    pnb_unet_layer nowhere;
    bool no_memory;
} pnb_unet;

/* Appends a layer; its name is printed from the format. Without memory the layer goes nowhere and settle says so. */
#if defined(__GNUC__)
__attribute__((format(printf, 5, 6)))
#endif
pnb_unet_layer *
pnb_unet_append(pnb_unet *u, pnb_unet_kind kind, uint32_t in, uint32_t out, const char *format, ...);
/* A residual block, with what readers of names know of it. in does not count the skip that pop concatenates. */
pnb_unet_layer *pnb_unet_append_block(pnb_unet *u, const char *name, uint32_t in, uint32_t out, int32_t resample,
                                      bool pop);
/* The last layer's output is kept as a skip. */
void pnb_unet_push(pnb_unet *u);
/* Checks that channels can be split by groups and heads and that skips are taken as they were left; counts them. The
 * last thing that a reader does with its list. */
pnb_status pnb_unet_settle(pnb_error *err, pnb_unet *u);
void pnb_unet_finish(pnb_unet *u);

/* Calls visit for every tensor in state-dict order; stops at the first status that is not PNB_OK and returns it. */
typedef pnb_status (*pnb_unet_visit)(void *user, const char *name, pnb_shape shape);
pnb_status pnb_unet_tensors(const pnb_unet *u, pnb_unet_visit visit, void *user);
uint64_t pnb_unet_parameters(const pnb_unet *u);
uint32_t pnb_unet_groups(const pnb_unet *u, uint32_t channels);
bool pnb_unet_has_skip(const pnb_unet *u, const pnb_unet_layer *l); /* a skip convolution */
/* "128,256,256", and "1/2, 1/4, " where attention is on the way down: buffers of PNB_UNET_TEXT_SIZE. */
enum { PNB_UNET_TEXT_SIZE = 96 };
void pnb_unet_text(const pnb_unet *u, char *channels, char *attention);
/* Unknown, missing or misshapen tensors of a file are named (PNB_ERROR_MODEL). */
pnb_status pnb_unet_check(pnb_error *err, pnb_tensor_list found, const pnb_unet *u);

/* ---- for readers ------------------------------------------------------------------------------------------------- */

const pnb_tensor_info *pnb_tensor_find(pnb_tensor_list list, const char *name); /* NULL: there is none */
/* Is there a tensor of this name, printed from the format? */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
bool pnb_tensor_exists(pnb_tensor_list list, const char *format, ...);
/* One dimension of a tensor that must be there with this rank. */
pnb_status pnb_tensor_dimension(pnb_error *err, pnb_tensor_list list, const char *name, uint32_t rank, uint32_t index,
                                uint32_t *out);

#endif
