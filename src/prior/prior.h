/* Diffusion priors: what every method sees of one. The network's noise prediction eps(x_t, t), built into a graph.
 *
 * x_t = alpha_t x_0 + sigma_t eps (variance preserving). A prior owns its schedule and its weights (a store).
 * Images are in [-1,1]; x is [N,C,H,W]; vector priors (mixtures, MLPs) take x [N,D].
 */
#ifndef PNB_PRIOR_PRIOR_H
#define PNB_PRIOR_PRIOR_H

#include "graph/graph.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "prior/schedule.h"

typedef struct pnb_prior pnb_prior;
typedef struct pnb_adapter pnb_adapter;

typedef enum pnb_prior_kind { PNB_PRIOR_GMM, PNB_PRIOR_MLP, PNB_PRIOR_UNET } pnb_prior_kind;

/* From a safetensors file or a checkpoint of PyTorch, or diffusers' folder with one: the architecture is worked out from names and shapes
 * (metadata helps where these are not enough). A file that is no known network: PNB_ERROR_MODEL with what was found. Weights are kept on
 * the host until commit. */
pnb_status pnb_prior_load(pnb_error *err, const char *path, pnb_prior **out);
/* Which tensors of a file are a network known here: those whose names begin with the first `length` bytes of *prefix
 * (borrowed from the file). Of several copies the averaged one ("ema"). false: there is none. */
bool pnb_prior_find_network(const pnb_tensor_file *file, const char **prefix, size_t *length);
/* Exact Gaussian mixture in any dimension: weights [n] (normalised here), means [n,D], covariances [n,D,D]. */
pnb_status pnb_prior_create_gmm(pnb_error *err, uint32_t dim, uint32_t n, const double *weights, const double *means,
                                const double *covariances, pnb_prior **out);
/* A network of a published shape ("garments", "ffhq256", "imagenet256") with `width` times its channels and random weights.
 * Another name: PNB_ERROR_USAGE with those that there are. */
pnb_status pnb_prior_create_preset(pnb_error *err, const char *name, uint32_t width, uint64_t seed, pnb_prior **out);
void pnb_prior_destroy(pnb_prior **prior, pnb_gpu *gpu);
pnb_status pnb_prior_commit(pnb_prior *prior, pnb_gpu *gpu); /* weights to the device; once */
/* Before its graphs are made. true: what lives long in a U-Net's programs is stored as 16-bit floats: weights prepared of frozen ones,
 * skip connections, and what the backward pass of group norm keeps. Arithmetic, gradients and everything that is trained stay fp32;
 * cooperative matrices round operands of forward products (ops/matmul_cooperative.h).
 * Other priors have nothing to narrow. */
void pnb_prior_set_half(pnb_prior *prior, bool half);
bool pnb_prior_half(const pnb_prior *prior);

/* Whether the file is a generator of amortised matching, by its metadata "generator": no score comes of such a network. */
bool pnb_prior_is_generator(const pnb_prior *prior);

pnb_prior_kind pnb_prior_get_kind(const pnb_prior *prior);
const char *pnb_prior_architecture(const pnb_prior *prior); /* "gmm", "mlp", "adm", "songunet", ...; static */
const pnb_schedule *pnb_prior_schedule(const pnb_prior *prior);
pnb_error *pnb_prior_error(const pnb_prior *prior); /* what it was made with */
pnb_store *pnb_prior_store(pnb_prior *prior);          /* parameters under their published names */
uint32_t pnb_prior_channels(const pnb_prior *prior);   /* image priors; 0 for vectors */
uint32_t pnb_prior_dim(const pnb_prior *prior);        /* vector priors; 0 for images */
uint32_t pnb_prior_size_hint(const pnb_prior *prior);  /* side that it was trained at, 0 if the file does not say */
/* Scale of the images that it was trained on, by the metadata fov_uas (of size_hint pixels; here of `width`) and
 * pixel_nm; 0 where the file does not say. */
double pnb_prior_fov_uas(const pnb_prior *prior, uint32_t width);
double pnb_prior_pixel_nm(const pnb_prior *prior);
uint32_t pnb_prior_multiple(const pnb_prior *prior);   /* the network takes heights and widths that this divides */
uint32_t pnb_prior_padded(const pnb_prior *prior, uint32_t side); /* what a side is mirrored to for it; cropped again */
/* Images larger than `tile` are seen by the network in overlapping tiles of that side, whose predictions are blended; 0: whole. A side
 * that the network takes (pnb_prior_multiple), an overlap of 1 to half of it; else, and for priors of vectors: PNB_ERROR_INPUT. */
pnb_status pnb_prior_set_tiles(pnb_prior *prior, uint32_t tile, uint32_t overlap);
void pnb_prior_get_tiles(const pnb_prior *prior, uint32_t *tile, uint32_t *overlap);
uint64_t pnb_prior_parameters(const pnb_prior *prior); /* exact count */
uint64_t pnb_prior_hash(const pnb_prior *prior);       /* of the weights, after commit: tells two files of one shape apart */
uint32_t pnb_prior_out_channels(const pnb_prior *prior);
uint32_t pnb_prior_classes(const pnb_prior *prior);     /* 0: not class-conditional */
const char *pnb_prior_describe(const pnb_prior *prior); /* a sentence: architecture and its switches */
const struct pnb_gmm *
pnb_prior_gmm(const pnb_prior *prior); /* the mixture in double (prior/gmm_host.h); NULL: not one */

/* Noise level of each sample: tensors [N]. t is what the network receives, of pnb_schedule_time or _t_of_rho. */
typedef struct pnb_level {
    pnb_tensor t, alpha, sigma;
} pnb_level;

typedef struct pnb_eps_params {
    pnb_tensor label;       /* [N] class indices as floats, or PNB_NONE */
    pnb_adapter *adapter;   /* NULL: the plain prior */
    uint32_t adapter_begin; /* rows [adapter_begin, N) get the adapter, earlier rows are the plain prior, bitwise */
    bool raw;               /* all output channels as the network gives them, not eps alone */
    bool checkpoint;        /* every residual block becomes a checkpointed segment */
    bool conditional;       /* condition is given: the adapter was made with one */
    pnb_tensor condition;   /* what the adapter's rows see beside x: [rows, condition, H, W] or [rows, condition] */
} pnb_eps_params;
/* params may be NULL. */
pnb_status pnb_prior_eps(pnb_prior *prior, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                         pnb_tensor *eps);

/* ---- training (fresh.c, trainable.c) ------------------------------------------------------------------------------ */

/* Sizes of networks to train. */
typedef struct pnb_fresh {
    const char *name, *help;
    uint32_t width, res_blocks, multiples[6]; /* channels of the first level, and of each level as multiples of these */
    uint32_t attention, head;                 /* levels of at most this side have attention; channels a head */
    double lr;                                /* learning rate that suits it */
} pnb_fresh;
const pnb_fresh *pnb_fresh_sizes(size_t *count);
/* NULL: there is none of this name. */
const pnb_fresh *pnb_fresh_find(const char *name);
/* An ADM U-Net for images [channels,size,size] as a checkpoint of PyTorch would begin: layers ~ U(+-1/sqrt(fan_in)), the
 * last one of each residual branch and the output 0. size: even, 8 to 1024. Trainable. */
pnb_status pnb_prior_create_fresh(pnb_error *err, const pnb_fresh *fresh, uint32_t channels, uint32_t size,
                                  uint64_t seed, pnb_prior **out);
/* Before commit: the weights become VARIABLE and lie one behind the other, in the same way for priors of one shape. A
 * prior that cannot be trained on images (a mixture, an MLP): PNB_ERROR_MODEL. size: of the images it will be trained on, kept as
 * its size_hint; 0: as the prior's. */
pnb_status pnb_prior_make_trainable(pnb_prior *prior, uint32_t size);
/* A network of the same kind and weights as `prior` (which is committed to gpu, or not yet), trainable, not committed. A
 * mixture: PNB_ERROR_MODEL. */
pnb_status pnb_prior_copy(const pnb_prior *prior, pnb_gpu *gpu, pnb_prior **out);
/* An MLP [N,inputs] -> [N,dim] of fresh weights, the last layer 0; trainable. As a prior it is none: it takes any input. */
pnb_status pnb_prior_create_mlp(pnb_error *err, uint32_t inputs, uint32_t dim, uint32_t hidden, uint32_t depth,
                                uint64_t seed, pnb_prior **out);
uint32_t pnb_prior_inputs(const pnb_prior *prior); /* of vector priors: dim, but for such an MLP; 0 for images */
/* Weights from the device to a file that pnb_prior_load reads, with what it must know of them in the metadata, and
 * `facts` beside that (no key of the loader's). */
pnb_status pnb_prior_save(const pnb_prior *prior, pnb_gpu *gpu, const char *path, bool half,
                          const pnb_safetensors_pair *facts, size_t n);

/* ---- adapters: phi = theta + something small that is trained (algorithms.md section 2.6) ------------------------- */

typedef enum pnb_adapter_targets {
    PNB_ADAPT_ATTENTION, /* qkv and output projection of attention */
    PNB_ADAPT_EXTENDED,  /* attention, residual convolutions, embedding linears */
    PNB_ADAPT_COPY       /* all weights of a copy of the network (MLP priors: always) */
} pnb_adapter_targets;

typedef struct pnb_adapter_params {
    uint32_t rank; /* LoRA rank (networks) */
    float scale;
    pnb_adapter_targets targets;
    uint32_t hidden, depth; /* width and layers of the residual MLP that stands for LoRA on mixture priors */
    uint32_t condition;     /* channels, or dimensions, of a condition that the adapter sees; 0: none */
    uint64_t seed;
} pnb_adapter_params;

/* Networks: y = Wx + scale Up(Down(x)); Down ~ N(0, 1/fan_in), Up = 0. Mixtures: eps_theta + MLP with zero last layer.
 * MLP priors, and U-Nets by PNB_ADAPT_COPY: a full trainable copy of the weights, which at the start agrees
 * with the prior to rounding. A condition enters a U-Net by a convolution into its first layer's output, 0 at the start,
 * and the residual MLP as inputs; MLP priors take none. All parameters are VARIABLE storages of pnb_adapter_store. */
pnb_status pnb_adapter_create(pnb_error *err, pnb_prior *prior, const pnb_adapter_params *params, pnb_adapter **out);
void pnb_adapter_destroy(pnb_adapter **adapter, pnb_gpu *gpu);
pnb_status pnb_adapter_commit(pnb_adapter *adapter, pnb_gpu *gpu); /* uploads the initial values */
pnb_store *pnb_adapter_store(pnb_adapter *adapter);
pnb_status pnb_adapter_save(pnb_adapter *adapter, pnb_gpu *gpu, const char *path);
pnb_status pnb_adapter_load(pnb_adapter *adapter, pnb_gpu *gpu, const char *path); /* names and shapes must match */

#endif
