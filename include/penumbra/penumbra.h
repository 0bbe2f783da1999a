/* penumbra.h: posterior samples from a measurement, a forward model and a diffusion prior, on any Vulkan GPU.
 *
 *     pnb_context *ctx;
 *     pnb_problem *problem = NULL;
 *     pnb_run *run = NULL;
 *     if (pnb_context_create(NULL, &ctx)) return 1;
 *     if (pnb_problem_load(ctx, "problem.json", &problem) || pnb_run_create(problem, &run) ||
 *         pnb_run_advance(run, 0, NULL, NULL) || pnb_run_write(run, "result", 0))
 *         fprintf(stderr, "%s\n", pnb_last_error(ctx));
 *     pnb_run_destroy(&run);
 *     pnb_problem_destroy(&problem);
 *     pnb_context_destroy(&ctx);
 *
 * Arrays are float, row-major, in the caller's memory. Images are [N,C,H,W] in [-1,1]; vectors are [N,D]. "Image shape"
 * and "measurement shape" are without the batch N. Text is UTF-8. Text that a function gives in a char ** is the
 * caller's: release it with pnb_free. Handles are opaque; destroy functions accept NULL and set the pointer to NULL.
 * Everything that is made from a context must be destroyed before it, and what a problem or run was made from must
 * outlive it.
 *
 * Every function that can fail returns a pnb_status and leaves a sentence for pnb_last_error. On failure, out
 * parameters that are handles are NULL and arrays are undefined. The library never prints, exits, aborts or installs
 * signal handlers.
 *
 * Threads: there is no global state. Different contexts may be used by different threads at the same time; a context
 * and all that is made from it by one thread at a time.
 *
 * Parameter structs begin with struct_size and have an initialiser (PNB_..._DEFAULTS); members are added at their end
 * only, so programs that were built against an older header keep working. A NULL parameter struct means the defaults.
 */
#ifndef PENUMBRA_PENUMBRA_H
#define PENUMBRA_PENUMBRA_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PNB_API __attribute__((visibility("default")))
#else
#define PNB_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. The numbers are also the exit codes of the command `penumbra`. */
typedef enum pnb_status {
    PNB_OK = 0,
    PNB_ERROR_INTERNAL = 1,      /* a defect of the library itself: please report the sentence */
    PNB_ERROR_USAGE = 2,         /* an argument or option that cannot be (the command: usage) */
    PNB_ERROR_INPUT = 3,         /* a file or array that is not what it should be */
    PNB_ERROR_MODEL = 4,         /* a prior or network that cannot be used */
    PNB_ERROR_NO_DEVICE = 5,     /* no Vulkan loader, driver or usable device */
    PNB_ERROR_OUT_OF_MEMORY = 6, /* host or device memory */
    PNB_ERROR_NUMERIC = 7,       /* a value became infinite or not a number */
    PNB_ERROR_DEVICE_LOST = 8,   /* the device stopped answering; the context stays failed */
    PNB_ERROR_CANCELLED = 130    /* a progress callback asked to stop; what was done is kept */
} pnb_status;

typedef struct pnb_context pnb_context; /* a device and the latest error */
typedef struct pnb_model pnb_model;     /* a diffusion prior */
typedef struct pnb_forward pnb_forward; /* a forward operator: image to measurement */
typedef struct pnb_problem pnb_problem; /* prior, operator, measurement, noise and method */
typedef struct pnb_run pnb_run;         /* a problem being solved, or a prior being sampled */

enum { PNB_MAX_RANK = 5 };

/* The extents of an array, slowest first: an RGB image is {3, {3, H, W}}. */
typedef struct pnb_extent {
    uint32_t rank; /* 1 to PNB_MAX_RANK */
    uint32_t size[PNB_MAX_RANK];
} pnb_extent;

PNB_API const char *pnb_version(void); /* "0.1.0" */
PNB_API void pnb_free(void *memory);   /* text and arrays that this library allocated; accepts NULL */

/* ---- contexts and devices --------------------------------------------------------------------------------------- */

typedef struct pnb_context_params {
    size_t struct_size;
    const char *device; /* index of pnb_device_get or part of a name, any case; NULL: environment PENUMBRA_DEVICE, else
                           the best: discrete, integrated, virtual, CPU. Copied */
    int validate;       /* 1: Vulkan validation layers with synchronisation validation (development) */
    uint64_t memory_limit; /* bytes of device memory that may be used; 0: what the device has */
    const char *cache_dir; /* folder of compiled pipelines; NULL: the user's cache folder; "": none. Copied */
    void (*log)(void *user, int level, const char *line); /* may be NULL; level 0 error, 1 warning, 2 info, 3 debug */
    void *log_user;
    int no_tuning; /* 1: ignore the tuning table (pnb_tune) of the cache folder: the same kernels on every machine with
                      the same device and driver */
} pnb_context_params;
#define PNB_CONTEXT_DEFAULTS                                                                                           \
    { sizeof(pnb_context_params), NULL, 0, 0, NULL, NULL, NULL, 0 }

/* No device is touched before something needs one, so reading files works on any machine. Fails only for want of
 * memory. */
PNB_API pnb_status pnb_context_create(const pnb_context_params *params, pnb_context **out);
PNB_API void pnb_context_destroy(pnb_context **context);
/* The sentence of the latest failure, "" if there was none. Owned by the context, valid until the next call. NULL
 * context: a sentence that says so. */
PNB_API const char *pnb_last_error(const pnb_context *context);

typedef struct pnb_device_info {
    size_t struct_size;
    char name[256];
    char driver[256];  /* driver name and version in words */
    char why_not[128]; /* why it cannot be used; "" where it can */
    uint32_t vendor_id, device_id;
    uint32_t api_version; /* packed as Vulkan does: major << 22 | minor << 12 | patch */
    uint32_t subgroup_size;
    uint64_t memory_bytes;
    const char *type; /* "discrete", "integrated", "virtual", "cpu", "other"; static */
    int usable, fp16_storage;
    int cooperative_matrix; /* 1: products of 16-bit floats may use VK_KHR_cooperative_matrix */
} pnb_device_info;
#define PNB_DEVICE_INFO_INIT                                                                                           \
    { sizeof(pnb_device_info), "", "", "", 0, 0, 0, 0, 0, NULL, 0, 0, 0 }

/* How many devices the Vulkan loader knows, usable or not. None: PNB_ERROR_NO_DEVICE. */
PNB_API pnb_status pnb_device_count(pnb_context *context, size_t *count);
PNB_API pnb_status pnb_device_get(pnb_context *context, size_t index, pnb_device_info *info);
/* The device of this context; opens it when that has not happened yet. */
PNB_API pnb_status pnb_context_device(pnb_context *context, pnb_device_info *info);
/* A sentence: which device was chosen and why; "" before one was opened. Owned by the context. */
PNB_API const char *pnb_context_choice(const pnb_context *context);
/* Messages of the validation layers so far (params.validate), and the first of them ("" if none; owned by the context).
 */
PNB_API uint64_t pnb_context_validation_messages(const pnb_context *context);
PNB_API const char *pnb_context_validation_text(const pnb_context *context);

/* ---- files of arrays -------------------------------------------------------------------------------------------- */

typedef struct pnb_ndarray {
    float *data; /* owned: pnb_ndarray_clear */
    pnb_extent extent;
    int is_image; /* read from PNG, JPEG or a TIFF of integers: mapped to [-1,1] */
} pnb_ndarray;

/* By what the file holds: NPY as it is (float32 and float64, integers; C order); FITS images as they are, rows from north to
 * south; PNG and JPEG (8 and 16 bit) as [C,H,W] in [-1,1]; TIFF likewise where it holds integers, floats as they are, several
 * pages as [N,C,H,W]. channels 0: as the file has; 1 or 3: grey and RGB images are converted. A damaged file: PNB_ERROR_INPUT.
 */
PNB_API pnb_status pnb_ndarray_read(pnb_context *context, const char *path, uint32_t channels, pnb_ndarray *out);
/* PNG where the name ends in .png (values of [-1,1], clamped; [C,H,W] or [H,W], C 1 or 3), a TIFF of floats where it ends in .tif,
 * otherwise NPY. Written under another name and renamed. Refuses values that are not finite: PNB_ERROR_NUMERIC. */
PNB_API pnb_status pnb_ndarray_write(pnb_context *context, const char *path, const float *data,
                                     const pnb_extent *extent);
/* Images of a data set (folder, stack, NPY or IDX, as pnb_train takes them) as [n, channels, size, size] in [-1,1]: resampled,
 * those of IDX padded; n of them evenly spread over the set, 0 or more than there are: all. Faults name the file: PNB_ERROR_INPUT. */
PNB_API pnb_status pnb_dataset_read(pnb_context *context, const char *path, uint32_t channels, uint32_t size, uint32_t n,
                                    pnb_ndarray *out);
PNB_API void pnb_ndarray_clear(pnb_ndarray *array);
PNB_API uint64_t pnb_extent_count(const pnb_extent *extent); /* number of elements */

/* ---- priors ----------------------------------------------------------------------------------------------------- */

/* From a safetensors file, a checkpoint of PyTorch (as pnb_convert reads it) or a folder of diffusers; the architecture is worked out from
 * the names and shapes in it. Touches no device. A file that is damaged or no known network: PNB_ERROR_MODEL. A missing file:
 * PNB_ERROR_INPUT. */
PNB_API pnb_status pnb_model_load(pnb_context *context, const char *path, pnb_model **out);
/* Exact Gaussian mixture of n parts in dim dimensions: weights [n] (normalised here), means [n,dim], covariances
 * [n,dim,dim], symmetric and positive definite. Copied. */
PNB_API pnb_status pnb_model_create_gmm(pnb_context *context, uint32_t dim, uint32_t n, const double *weights,
                                        const double *means, const double *covariances, pnb_model **out);
/* A network of published shape ("garments", "ffhq256", "imagenet256") with random weights: the work of a trained prior
 * without its file, for benchmarks and plans of memory. Another name: PNB_ERROR_USAGE with those that there are. */
PNB_API pnb_status pnb_model_create_random(pnb_context *context, const char *network, pnb_model **out);
/* 1: what lives long in a network's programs is stored as 16-bit floats: weights prepared of its own, skip connections, and what the
 * backward pass keeps. Less memory; results differ by about 1e-3 of their maximum. Arithmetic stays in 32 bits, but forward matrix
 * products round their operands to 16 where the device has cooperative matrices (pnb_device_info). Any device can.
 * Exact mixtures and MLPs stay as they are. PNB_ERROR_USAGE once the model is on the device. */
PNB_API pnb_status pnb_model_set_fp16(pnb_model *model, int fp16);
PNB_API void pnb_model_destroy(pnb_model **model);

typedef struct pnb_convert_params {
    size_t struct_size;
    int all;                /* 1: every tensor under its full name, even where a network is recognised */
    const char *const *set; /* "KEY=VALUE" each: metadata that say of a network what its tensors do not, such as
                               num_head_channels, num_heads, use_new_attention_order, image_size, precond (vp, edm) */
    size_t set_count;
    int (*on_tensor)(void *user, size_t done, size_t count); /* before each tensor; non-zero cancels. Or NULL */
    void *user;
    const char *dtype; /* "f16" or "f32": what floating-point tensors are written as; NULL: the types that they have */
} pnb_convert_params;
#define PNB_CONVERT_DEFAULTS                                                                                           \
    { sizeof(pnb_convert_params), 0, NULL, 0, NULL, NULL, NULL }

/* A file of torch.save (zip, where the library was built with libzip, or the older stream), or a safetensors file, to
 * safetensors. The file is data from a stranger: its pickle is read by a machine of the opcodes and globals that a state
 * dict needs; nothing is run, and memory stays in proportion to the file. Nested dictionaries become names with dots. Where
 * a network known here is in it, that alone is written, without the prefix of wrappers ("state_dict.", "model.",
 * "module."), averaged weights ("ema") before others; else everything. The metadata of a safetensors file go along. A value
 * that F16 cannot hold: PNB_ERROR_NUMERIC. out is written under another name and renamed.
 * *text, unless text is NULL: a sentence on what was taken. What cannot be read: PNB_ERROR_MODEL. */
PNB_API pnb_status pnb_convert(pnb_context *context, const char *in, const char *out, const pnb_convert_params *params,
                               char **text);

typedef struct pnb_model_info {
    size_t struct_size;
    const char *kind;        /* "gmm", "mlp", "adm", "songunet", "dhariwal", "diffusers"; static */
    const char *description; /* a sentence; owned by the model */
    uint64_t parameters;
    uint32_t channels;     /* of its images; 0: a prior of vectors */
    uint32_t dim;          /* of its vectors; 0: a prior of images */
    uint32_t size;         /* side of the images that it was trained on; 0: the file does not say */
    uint32_t multiple;     /* images whose sides this divides are taken as they are, others padded and cropped */
    uint32_t out_channels; /* of the network's raw output */
    uint32_t classes;      /* 0: not class-conditional */
    uint32_t steps;        /* T of its noise schedule */
    uint32_t tensors;      /* named parameter tensors */
} pnb_model_info;
#define PNB_MODEL_INFO_INIT                                                                                            \
    { sizeof(pnb_model_info), NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
PNB_API pnb_status pnb_model_get_info(const pnb_model *model, pnb_model_info *info);
/* Name (owned by the model) and extent of parameter tensor i in [0, tensors). */
PNB_API pnb_status pnb_model_tensor(const pnb_model *model, uint32_t i, const char **name, pnb_extent *extent);

/* What a prior takes on the device at a batch and an image size, from plans: nothing is allocated or run. */
typedef struct pnb_plan_params {
    size_t struct_size;
    uint32_t batch;         /* of the forward and gradient evaluations */
    uint32_t height, width; /* image priors; 0: as it was trained, else 64 */
    uint32_t particles;     /* of a PPM step */
    int device;             /* 1: for the context's device, which is opened; 0: for the baseline device, without one */
    int fp16;               /* pnb_inspect_plan: 1: of the prior with pnb_model_set_fp16 */
    uint32_t tile, overlap; /* larger images in such tiles, as a problem's prior has them; 0: whole, overlap 0: a quarter */
} pnb_plan_params;
#define PNB_PLAN_DEFAULTS                                                                                              \
    { sizeof(pnb_plan_params), 1, 0, 0, 8, 0, 0, 0, 0 }
typedef struct pnb_memory_plan {
    size_t struct_size;
    uint32_t batch, height, width, particles; /* as taken */
    /* Bytes, weights included. Gradients are those with respect to the image. A PPM step is of all that a run holds, with
     * its adapter. 0: the prior has no such thing (PPM with class labels). */
    uint64_t weights, forward, gradient, gradient_checkpointed, step, step_checkpointed;
} pnb_memory_plan;
#define PNB_MEMORY_PLAN_INIT                                                                                           \
    { sizeof(pnb_memory_plan), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
PNB_API pnb_status pnb_model_plan(pnb_model *model, const pnb_plan_params *params, pnb_memory_plan *out);

/* One evaluation of the network, and derivatives through it. */
typedef struct pnb_predict_params {
    size_t struct_size;
    uint32_t n;             /* batch */
    uint32_t height, width; /* image priors; others than multiples of pnb_model_info.multiple are mirrored at the edges
                               for the network, its output cropped, and a warning logged */
    const float *x;         /* [n,C,H,W] or [n,D] */
    const double *t;     /* [n], index of the noise schedule in [0, T-1], may be fractional; or NULL with sigma given */
    const double *sigma; /* [n], > 0: x is x_0 + sigma noise and out is the denoised estimate D(x; sigma); or NULL */
    const double *label; /* [n] class indices of a class-conditional prior, else NULL */
    int raw;             /* with t: all channels as the network gives them, not the noise estimate alone */
    float *out;          /* as x; with raw, [n,out_channels,H,W]. May be NULL */
    const float *cotangent; /* as out; needed for gradients */
    float *grad_x;          /* as x: gradient of sum(out * cotangent) with respect to x; or NULL */
    /* Called once for each parameter tensor with its gradient (valid during the call); non-zero cancels. Or NULL. */
    int (*on_gradient)(void *user, const char *name, const pnb_extent *extent, const float *gradient);
    void *user;
} pnb_predict_params;
#define PNB_PREDICT_DEFAULTS                                                                                           \
    { sizeof(pnb_predict_params), 1, 0, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL }
PNB_API pnb_status pnb_model_predict(pnb_model *model, const pnb_predict_params *params);

/* ---- forward operators ------------------------------------------------------------------------------------------ */

/* type and its arguments as in problem.json ("mask_box", "{\"top\": 9, ...}"); args may be NULL; base_dir: folder for
 * relative paths in args, or NULL. image: [C,H,W] or [D]. Unknown type or argument, impossible size: PNB_ERROR_INPUT.
 */
PNB_API pnb_status pnb_forward_create(pnb_context *context, const char *type, const char *args, const char *base_dir,
                                      const pnb_extent *image, pnb_forward **out);
/* A linear operator of the application's own: y = A x of one image, and x = A^T y; each returns 0, or anything else to fail. They
 * are called here, in the calling thread, and never after: apply once for each element of the image, whose columns are kept as a
 * sparse matrix (at most 2^26 entries that are not 0), so that no step waits for the host. adjoint may be NULL; one that is given is
 * tested: <A x, y> = <x, A^T y> and A(x + z) = A x + A z to 1e-4, else PNB_ERROR_INPUT with the numbers. Shaders (type "custom")
 * serve where that is too large. measurement: [m] or [C,H,W]. name stands in messages. */
typedef int (*pnb_linear_function)(void *user, const float *from, float *to);
PNB_API pnb_status pnb_forward_create_functions(pnb_context *context, const char *name, const pnb_extent *image,
                                                const pnb_extent *measurement, pnb_linear_function apply, pnb_linear_function adjoint,
                                                void *user, pnb_forward **out);
PNB_API void pnb_forward_destroy(pnb_forward **forward);

typedef struct pnb_forward_info {
    size_t struct_size;
    const char *type; /* owned by the operator */
    pnb_extent image, measurement;
    uint64_t measured; /* entries of the measurement that carry information (kept pixels of a mask) */
    double norm;       /* an upper bound of the spectral norm */
    int linear, has_pinv;
} pnb_forward_info;
#define PNB_FORWARD_INFO_INIT                                                                                          \
    { sizeof(pnb_forward_info), NULL, {0, {0}}, {0, {0}}, 0, 0, 0, 0 }
PNB_API pnb_status pnb_forward_get_info(const pnb_forward *forward, pnb_forward_info *info);
/* y = A(x), x = A^T y, x = A^+ y, each for a batch of n >= 1. Arrays have n times the elements of the shapes in
 * pnb_forward_info. adjoint and pinv: PNB_ERROR_USAGE where the operator has none. */
PNB_API pnb_status pnb_forward_apply(pnb_forward *forward, uint32_t n, const float *x, float *y);
PNB_API pnb_status pnb_forward_adjoint(pnb_forward *forward, uint32_t n, const float *y, float *x);
PNB_API pnb_status pnb_forward_pinv(pnb_forward *forward, uint32_t n, const float *y, float *x);
/* The operator types with their arguments, in words, for help. */
PNB_API pnb_status pnb_forward_types(pnb_context *context, char **text);

/* ---- problems --------------------------------------------------------------------------------------------------- */

/* From a problem.json, or from the run.json of an earlier run. Reads the files that it names; touches no device.
 * Unknown keys or types, wrong sizes, values that are not finite: PNB_ERROR_INPUT with file, key, found and expected.
 */
PNB_API pnb_status pnb_problem_load(pnb_context *context, const char *path, pnb_problem **out);
/* From text. base_dir: folder for relative paths; NULL: the current one. */
PNB_API pnb_status pnb_problem_parse(pnb_context *context, const char *json, const char *base_dir, pnb_problem **out);

/* From parts that the caller has. Borrowed: model and forward; copied: all else. */
typedef struct pnb_problem_params {
    size_t struct_size;
    pnb_model *model;
    pnb_forward *forward;
    const float *measurement; /* measurement shape; NULL without truth: the one that came with the operator's file */
    double sigma;             /* standard deviation of its Gaussian noise, in its units, > 0; of an operator whose entries have
                                 errors of their own (vlbi): what multiplies them, usually 1 */
    const float *truth;       /* image shape, for scores; or NULL */
    const char *method;       /* name; NULL: "ppm". Options: pnb_problem_set(problem, "method.particles", "8") */
    uint64_t seed;
    double photons; /* photon noise: expected counts where the measurement is 1 (white); 0: none. sigma is then the camera's own */
    double zero;    /* the measurement where there is no light, below 1 */
} pnb_problem_params;
#define PNB_PROBLEM_DEFAULTS                                                                                           \
    { sizeof(pnb_problem_params), NULL, NULL, NULL, 0, NULL, NULL, 0, 0, -1 }
PNB_API pnb_status pnb_problem_create(pnb_context *context, const pnb_problem_params *params, pnb_problem **out);
PNB_API void pnb_problem_destroy(pnb_problem **problem);

/* Override one value: key "seed", "noise.sigma", "noise.photons", "noise.zero", "method" (its name: options go back to their defaults) or
 * "method.<option>"; value as text. Before a run is made from the problem. Unknown key: PNB_ERROR_USAGE; bad value:
 * PNB_ERROR_INPUT. */
PNB_API pnb_status pnb_problem_set(pnb_problem *problem, const char *key, const char *value);
/* Everything resolved, as JSON that pnb_problem_parse takes again. */
PNB_API pnb_status pnb_problem_json(pnb_problem *problem, char **json);
/* The same in words, each option with its value, range, unit and meaning, and whether it was given or is the default.
 */
PNB_API pnb_status pnb_problem_explain(pnb_problem *problem, char **text);
PNB_API pnb_status pnb_problem_extents(const pnb_problem *problem, pnb_extent *image, pnb_extent *measurement);
/* Copy the measurement to the caller's array (measurement shape). One that is simulated from the truth needs a device.
 */
PNB_API pnb_status pnb_problem_measurement(pnb_problem *problem, float *y);
/* y = A(x) + noise of the problem, for a batch of n images; image i draws from the problem's seed and i. */
PNB_API pnb_status pnb_problem_simulate(pnb_problem *problem, uint32_t n, const float *x, float *y);
/* What a radio interferometer sees of a known image: its visibilities into a file, without a device. */
typedef struct pnb_observe_params {
    size_t struct_size;
    const char *observation; /* path of a JSON file: array (path of stations), source, mjd, times, bandwidth, errors, fov_uas ... */
    const float *x;          /* the image, rows from north to south; [-1,1] is 0 to the peak unless the JSON says otherwise */
    pnb_extent image;        /* [H,W] or [1,H,W] */
    const char *output;      /* .uvfits, otherwise the EHT's CSV; written under another name and renamed */
    int seed_given;          /* 1: seed in place of the JSON's */
    uint64_t seed;
} pnb_observe_params;
#define PNB_OBSERVE_DEFAULTS                                                                                           \
    { sizeof(pnb_observe_params), NULL, NULL, {0, {0}}, NULL, 0, 0 }
/* A source that no two stations see, an unknown key, a bad value: PNB_ERROR_INPUT. */
PNB_API pnb_status pnb_simulate_observation(pnb_context *context, const pnb_observe_params *params);
/* A(x), A^T y, A^+ y of the problem's operator. Borrowed from the problem. */
PNB_API pnb_forward *pnb_problem_forward(pnb_problem *problem);
PNB_API pnb_model *pnb_problem_model(pnb_problem *problem); /* likewise */
PNB_API const char *pnb_problem_method(const pnb_problem *problem); /* its method's name; NULL without a problem */
/* The methods with their options, in words, for help. */
PNB_API pnb_status pnb_method_types(pnb_context *context, char **text);

/* ---- runs ------------------------------------------------------------------------------------------------------- */

/* Prepare: opens the device, uploads the prior, plans memory, compiles kernels, records the step. A plan over the
 * memory limit: PNB_ERROR_OUT_OF_MEMORY that names what would help. */
PNB_API pnb_status pnb_run_create(pnb_problem *problem, pnb_run **out);

/* The same interface for draws from a prior. */
typedef struct pnb_sample_params {
    size_t struct_size;
    const char *sampler;    /* "ddim", "ddpm" or "heun" */
    uint32_t n;             /* samples */
    uint32_t steps;         /* 0: all of the schedule (ddpm), 100 (ddim), 40 (heun, two evaluations each) */
    double eta;             /* ddim: noise, 0 (none) to 1 */
    uint32_t height, width; /* image priors; 0: the size that it was trained on */
    uint64_t seed;
} pnb_sample_params;
#define PNB_SAMPLE_DEFAULTS                                                                                            \
    { sizeof(pnb_sample_params), "ddim", 1, 0, 0, 0, 0, 0 }
PNB_API pnb_status pnb_run_create_sampler(pnb_model *model, const pnb_sample_params *params, pnb_run **out);
PNB_API void pnb_run_destroy(pnb_run **run);

typedef struct pnb_progress {
    size_t struct_size;
    uint32_t step, steps;                         /* done, and in all */
    const char *phase;                            /* what the run is doing, in words */
    double loss_data, loss_prior, loss_auxiliary; /* latest known; NaN where there is none */
    double seconds;                               /* since the run began (earlier sessions of a resumed run included) */
    double seconds_left;                          /* estimate; NaN before there is one */
    double loss_training, loss_validation;        /* of pnb_train; NaN elsewhere and while there is none */
    uint64_t evaluations, evaluations_all;        /* of the network, one a sample and forward pass: done, and in all */
} pnb_progress;
/* Called between steps, on the caller's thread; non-zero asks to stop after the step that is in progress. */
typedef int (*pnb_progress_fn)(void *user, const pnb_progress *progress);

/* Do `steps` more steps (0: all that are left). Cancelled: PNB_ERROR_CANCELLED; samples can be read and the run can go
 * on. */
PNB_API pnb_status pnb_run_advance(pnb_run *run, uint32_t steps, pnb_progress_fn progress, void *user);
PNB_API pnb_status pnb_run_get_progress(pnb_run *run, pnb_progress *out);
PNB_API uint32_t pnb_run_particles(const pnb_run *run); /* K */
PNB_API pnb_extent pnb_run_image(const pnb_run *run);   /* one sample: [C,H,W] or [D] */
/* Into the caller's arrays: samples [K, image...]; mean and std (ddof 1) [image...], each may be NULL. */
PNB_API pnb_status pnb_run_samples(pnb_run *run, float *samples);
PNB_API pnb_status pnb_run_moments(pnb_run *run, float *mean, float *std);
/* Samples as they were before the finishing phase, where the method has one and it has begun; else PNB_ERROR_USAGE. */
PNB_API pnb_status pnb_run_samples_before_finish(pnb_run *run, float *samples);
/* Everything that was resolved and measured, as in run.json of the output folder. */
PNB_API pnb_status pnb_run_json(pnb_run *run, char **json);
/* The whole state to a file, and back into a run of the same problem; then it goes on to the same bytes. A file of
 * another problem or version: PNB_ERROR_INPUT. Written under another name and renamed. */
PNB_API pnb_status pnb_run_save(pnb_run *run, const char *path);
PNB_API pnb_status pnb_run_load(pnb_run *run, const char *path);

enum { PNB_WRITE_OVERWRITE = 1 }; /* flags: replace the results that a folder holds */
/* The output folder: samples.npy, mean.npy, std.npy, figures, run.json (last, so that its presence means complete).
 * Made where it does not exist. A folder that holds results, without PNB_WRITE_OVERWRITE: PNB_ERROR_USAGE. Never writes
 * from values that are not finite. */
PNB_API pnb_status pnb_run_write(pnb_run *run, const char *folder, unsigned flags);

/* All of the above in one call: run in a folder, with checkpoints in folder/checkpoint, and write the results. */
typedef struct pnb_solve_params {
    size_t struct_size;
    const char *folder;
    int overwrite;             /* replace results */
    int resume;                /* go on from the folder's checkpoint, if there is one */
    double checkpoint_seconds; /* between checkpoints; 0: only when cancelled */
    pnb_progress_fn progress;  /* may be NULL */
    void *user;
} pnb_solve_params;
#define PNB_SOLVE_DEFAULTS                                                                                             \
    { sizeof(pnb_solve_params), NULL, 0, 0, 30, NULL, NULL }
/* Cancelled: results so far are written, the checkpoint stays, PNB_ERROR_CANCELLED. resume in a folder whose run is
 * complete: PNB_OK at once. resume in a folder of another run (problem, options or seed): PNB_ERROR_INPUT that names what
 * differs. Results that cannot be written: the run is kept as a checkpoint, where that can be. */
PNB_API pnb_status pnb_run_solve(pnb_run *run, const pnb_solve_params *params);
/* Whether a folder holds results (complete or not) or a checkpoint. NULL pointers are allowed. */
PNB_API pnb_status pnb_folder_state(pnb_context *context, const char *folder, int *has_results, int *has_checkpoint,
                                    int *complete);

/* ---- amortised matching ------------------------------------------------------------------------------------------ */

typedef struct pnb_amortize_params {
    size_t struct_size;
    const char *measurements; /* what the generator learns from: an array [n, measurement...] (NPY), or a folder of files */
    const char *truths;       /* what they were measured of, likewise, for the option supervised; NULL: not known */
    const char *output;       /* the generator, safetensors. Beside it "<name>.amortize": checkpoint, and run.json, samples
                                 and figures of the problem's own measurement, or of the first one */
    int resume;                /* go on from the checkpoint, if there is one */
    int overwrite;             /* replace a generator and results that are there */
    double checkpoint_seconds; /* between checkpoints; 0: only when cancelled */
    pnb_progress_fn progress;  /* may be NULL */
    void *user;
} pnb_amortize_params;
#define PNB_AMORTIZE_DEFAULTS                                                                                          \
    { sizeof(pnb_amortize_params), NULL, NULL, NULL, 0, 0, 120, NULL, NULL }
/* Trains a network that makes posterior samples of a measurement in one evaluation each, on measurements alone; the
 * problem's method is ppm_amortized or davi. The same problem, measurements and device give the same bytes, whether the
 * run was stopped and resumed or not. Cancelled: checkpoint and generator so far are written, PNB_ERROR_CANCELLED. resume
 * of a complete run: PNB_OK at once; of another run: PNB_ERROR_INPUT that names what differs. The problem keeps the
 * measurements. */
PNB_API pnb_status pnb_amortize(pnb_problem *problem, const pnb_amortize_params *params);

typedef struct pnb_reconstruct_params {
    size_t struct_size;
    const char *model;       /* a generator's file */
    const char *measurement; /* a file, as in problem.json */
    const char *truth;       /* for scores; NULL: not known */
    uint32_t n;              /* samples */
    uint64_t seed;
} pnb_reconstruct_params;
#define PNB_RECONSTRUCT_DEFAULTS                                                                                       \
    { sizeof(pnb_reconstruct_params), NULL, NULL, NULL, 8, 0 }
/* A run whose samples are of the posterior of a measurement by a trained generator: one network evaluation each. A file
 * that is no generator: PNB_ERROR_MODEL. */
PNB_API pnb_status pnb_run_create_reconstruction(pnb_context *context, const pnb_reconstruct_params *params, pnb_run **out);

/* ---- training ---------------------------------------------------------------------------------------------------- */

typedef struct pnb_train_params {
    size_t struct_size;
    const char *data;       /* a folder of pictures (PNG, JPEG, TIFF, FITS; folders in it too), a stack (TIFF, FITS), an array
                               of images [N,H,W] or [N,C,H,W] (NPY), or an IDX file, gzipped or not */
    const char *validation; /* images that the loss is measured on, likewise; NULL: some of the data are held out */
    const char *output;     /* the prior, safetensors. Beside it "<name>.train": checkpoint, training.json, loss.png,
                               samples.png */
    const char *init;       /* a prior to go on from; NULL: a new network */
    const char *preset;     /* size of a new network; NULL: "small" */
    uint32_t size;          /* side of the images, which are brought to it; 0: that of init */
    uint32_t channels;      /* 0: that of init, or 1 */
    int has_range;          /* values of an array that become -1 and 1; without it they must lie there */
    double range_low, range_high;
    const char *const *settings; /* "lr=1e-3", ...: options of pnb_train_types */
    size_t setting_count;
    const char *const *facts; /* "fov_uas=160", ...: kept in the prior's metadata */
    size_t fact_count;
    uint64_t seed;
    int half;                  /* 1: weights as fp16 in the file */
    int resume;                /* go on from the checkpoint, if there is one */
    int overwrite;             /* replace a prior and a checkpoint that are there */
    double checkpoint_seconds; /* between checkpoints; 0: only when cancelled */
    pnb_progress_fn progress;  /* may be NULL */
    void *user;
} pnb_train_params;
#define PNB_TRAIN_DEFAULTS                                                                                             \
    { sizeof(pnb_train_params), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, 0, NULL, 0, 0, 0, 0, 0, 120, NULL, NULL }
/* Trains a prior on the context's device: noise prediction with Adam and a running mean of the weights, which is what is
 * saved. With each checkpoint the prior so far is written too. The same data, options, seed and device give the same
 * bytes, whether the run was stopped and resumed or not. Cancelled: checkpoint and prior so far are written,
 * PNB_ERROR_CANCELLED. resume of a complete run: PNB_OK at once; of another run: PNB_ERROR_INPUT that names what differs.
 * Images that cannot be used: PNB_ERROR_INPUT; a loss that is not finite: PNB_ERROR_NUMERIC. */
PNB_API pnb_status pnb_train(pnb_context *context, const pnb_train_params *params);
/* Sizes of networks and options, in words, for help. */
PNB_API pnb_status pnb_train_types(pnb_context *context, char **text);

/* ---- scores, checks, reports ------------------------------------------------------------------------------------ */

typedef struct pnb_scores {
    size_t struct_size;
    double psnr_mean, psnr_samples; /* dB, of the posterior mean; mean over samples. Images */
    double ssim_mean, ssim_samples; /* Images */
    double diversity;               /* 1 - mean pairwise cosine similarity, in [0,1] units. Images, K >= 2 */
    double coverage_1sigma;         /* fraction of pixels with |truth - mean| <= std; K >= 2 */
    double crps;                    /* fair ensemble CRPS; K >= 2 */
} pnb_scores;
#define PNB_SCORES_INIT                                                                                                \
    { sizeof(pnb_scores), 0, 0, 0, 0, 0, 0, 0 }
/* samples [k, image...], truth [image...]; image: [C,H,W] in [-1,1] or [D]. Scores that do not apply are NaN. No
 * device. */
PNB_API pnb_status pnb_evaluate(pnb_context *context, uint32_t k, const pnb_extent *image, const float *samples,
                                const float *truth, pnb_scores *scores);
/* The same of an output folder against a truth file, as JSON with the keys of run.json's `scores`, and its chi2. */
PNB_API pnb_status pnb_evaluate_folder(pnb_context *context, const char *folder, const char *truth, char **json);

/* One PNG that sets the results of 1 to 16 output folders one above the other, each titled with its method and scores:
 * truth, measurement, mean, standard deviation (on one scale for all folders) and up to 8 samples; of vectors, the
 * samples' first two components on the same axes. A folder without results, or images and vectors together:
 * PNB_ERROR_INPUT. A measurement that was simulated is simulated again, which needs a device. */
PNB_API pnb_status pnb_draw_folders(pnb_context *context, size_t n, const char *const *folders, const char *path);

typedef struct pnb_check {
    size_t struct_size;
    const char *op, *name;                /* valid during the call */
    double forward_error, gradient_error; /* relative to the largest value; gradient_error < 0: not checked */
    int passed;
    const char *why; /* "" where it passed */
} pnb_check;
/* Runs every op whose name matches the POSIX extended regular expression (NULL: all) against its fp64 reference,
 * forward and backward, on the context's device. report is called after each case (may be NULL); non-zero cancels.
 * failed may be NULL. PNB_OK also where cases failed. */
PNB_API pnb_status pnb_selftest(pnb_context *context, const char *ops,
                                int (*report)(void *user, const pnb_check *check), void *user, size_t *failed);

typedef struct pnb_bench_params {
    size_t struct_size;
    const char *ops;                            /* POSIX extended regular expression; NULL: all */
    uint32_t repeat;                            /* runs of each case after the first; 0: 10 */
    int (*report)(void *user, const char *row); /* a line of text after each case; non-zero cancels; may be NULL */
    void *user;
    const char *cases;   /* as ops, of the cases' names; NULL: all */
    int step;            /* time the step of a method, taken apart by kernel */
    const char *problem; /* of the step: a problem.json; NULL: a built-in one, 8 particles of 32 x 32, random weights */
    const char *network; /* time a network, forward and with its input gradient: a safetensors file, or a name as for
                            pnb_model_create_random; NULL: none */
    uint32_t batch;      /* of the network; 0: 1 */
    int scaling;         /* time PPM's step against image size, particles and the network's width */
    double longest_step; /* of the scaling: a series ends before a step that would take more seconds; 0: 20 */
    const char *figure;  /* of the scaling: its curves as PNG; NULL: none */
    int fp16;            /* network, and the built-in step: with pnb_model_set_fp16 */
} pnb_bench_params;
#define PNB_BENCH_DEFAULTS                                                                                             \
    { sizeof(pnb_bench_params), NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, 0, 0, 0, NULL, 0 }
/* Times what was asked for; with none of step, network, scaling, ops: each op's bench cases. json as in `penumbra bench --json`. */
PNB_API pnb_status pnb_bench(pnb_context *context, const pnb_bench_params *params, char **json);

typedef struct pnb_tune_params {
    size_t struct_size;
    int (*progress)(void *user, uint32_t done, uint32_t all); /* after each measurement; non-zero cancels; may be NULL */
    void *user;
    int missing_only; /* 1: nothing is timed where the table has all that the problem needs; json has no rows then */
} pnb_tune_params;
#define PNB_TUNE_DEFAULTS                                                                                              \
    { sizeof(pnb_tune_params), NULL, NULL, 0 }
/* Times the kernels that a problem's run can choose from, on the context's device, and keeps the winners in the cache
 * folder, where runs made from now on find them (this context's as well). A kernel replaces the default one only where it
 * is clearly faster; results stay within the tolerances of the ops. json: one row an op and shape. Without a cache folder, or on a device
 * without timestamps: PNB_ERROR_USAGE. */
PNB_API pnb_status pnb_tune(pnb_problem *problem, const pnb_tune_params *params, char **json);

/* What a file is: a prior (architecture, parameters, memory, tensors), problem, run, array or image; as text or JSON. No
 * device. */
PNB_API pnb_status pnb_inspect(pnb_context *context, const char *path, int json, char **text);
/* The same with a prior's memory at this batch, size and number of particles. NULL: the defaults. */
PNB_API pnb_status pnb_inspect_plan(pnb_context *context, const char *path, int json, const pnb_plan_params *plan,
                                    char **text);

#ifdef __cplusplus
}
#endif
#endif
