/* What the opaque handles of penumbra.h are, and the few helpers that the files of this floor share. */
#ifndef PNB_API_HANDLES_H
#define PNB_API_HANDLES_H

#include "base/file.h"
#include "base/status.h"
#include "base/str.h"
#include "gpu/gpu.h"
#include "io/array.h"
#include "measure/operator.h"
#include "prior/prior.h"
#include "solve/solver.h"

#include <cjson/cJSON.h>

struct pnb_context {
    pnb_error error; /* every handle below writes here */
    pnb_gpu *gpu;    /* NULL until something needs a device */
    char *device, *cache_dir;
    bool validate, no_tuning;
    uint64_t memory_limit;
    void (*log)(void *user, int level, const char *line);
    void *log_user;
};

struct pnb_model {
    pnb_context *ctx;
    pnb_prior *prior;
    cJSON *source; /* as in problem.json: {"file": absolute path} or {"type": "gmm", ...} */
    bool committed;
};

struct pnb_forward {
    pnb_context *ctx;
    pnb_operator *op;
    bool committed;
};

/* How a file's numbers become values: black -1 and white 1, in a straight line. Zero-initialised: as pnb_values_read does it. */
typedef struct pnb_value_map {
    bool has_range, has_page; /* given: black and white; page (from 0) of a stack */
    double black, white;      /* also an answer: those that were used, -1 and 1 where numbers were taken as they are */
    uint32_t page;
    bool tiff;                /* an answer: so the file was one, with pixels of this size */
    double pixel_nm[2];       /* 0: not known */
} pnb_value_map;

struct pnb_problem {
    pnb_context *ctx;
    char *file; /* for sentences; "problem" where it came as text */
    char *base_dir;
    pnb_model *model;
    pnb_forward *forward;
    bool owns_model, owns_forward;
    pnb_shape image, measurement;
    bool size_given;
    float *y;                       /* NULL until simulated */
    float *truth;                   /* NULL: unknown */
    bool simulated;                 /* the measurement comes from the truth */
    float *start;                   /* [n_start, image...]: samples to start from; NULL: the method's own */
    uint32_t n_start;
    cJSON *y_source, *truth_source, *start_source; /* as resolved problem.json has them */
    pnb_value_map y_map;            /* how the measurement's file became y */
    double sigma;
    double photons, zero; /* photons: expected counts where y is 1, above those where it is zero; 0: Gaussian noise alone */
    uint64_t seed, noise_seed;
    bool noise_seed_given;
    const pnb_method *method;
    void *options; /* as given, defaults elsewhere */
    bool *given;   /* one an option */
    char *measurements_path;                 /* of an amortised run: what its generator learns from; else NULL */
    float *measurements, *truths;            /* [n_measurements, ...]; owned */
    uint32_t n_measurements;
};

/* A run's record of its losses, one entry a logged step. */
typedef struct pnb_history {
    size_t count, room;
    double *step, *data, *prior, *auxiliary;
} pnb_history;

struct pnb_run {
    pnb_context *ctx;
    pnb_problem *problem; /* NULL: draws from the prior */
    pnb_model *model;
    pnb_solver *solver;
    pnb_shape image;
    uint64_t seed;
    cJSON *sampling; /* draws and reconstructions: what was resolved */
    char *output;    /* of an amortised run: the generator's file; owned */
    pnb_problem *own_problem;    /* of a reconstruction */
    pnb_prior *generator;        /* its network, where that is not the problem's prior */
    pnb_safetensors *facts;      /* and its file */
    void *options;   /* of the method, resolved; owned */
    pnb_sampler_params sampler; /* of draws */
    pnb_history history;
    pnb_losses latest;
    double build_seconds, run_seconds; /* run_seconds: advancing, earlier sessions included */
    uint32_t steps_here;               /* done in this session, for the rate */
    double seconds_here;
};

/* The device of a context, opened at the first call. */
pnb_status pnb_context_gpu(pnb_context *ctx, pnb_gpu **out);
/* Weights to the device, once. */
pnb_status pnb_model_ready(pnb_model *model, pnb_gpu **gpu);
/* pnb_model_create_random with `width` times the channels. */
pnb_status pnb_model_create_wide(pnb_context *ctx, const char *network, uint32_t width, pnb_model **out);
/* "images of 30 x 45 ...": that the network sees them padded; NULL where it does not, or without memory. To be freed. */
char *pnb_padding_text(const pnb_model *model, pnb_shape image);
/* The same as a warning in the context's log. */
void pnb_say_padding(const pnb_model *model, pnb_shape image);
pnb_status pnb_forward_ready(pnb_forward *forward, pnb_gpu **gpu);
/* Its photon noise; gain 0: none. */
pnb_photons pnb_problem_photons(const pnb_problem *problem);
/* The standard deviation of its noise, which residuals are in units of: sigma, or the level of photon noise. */
double pnb_problem_noise_level(const pnb_problem *problem);
/* The measurement, simulated first where it comes from the truth. */
pnb_status pnb_problem_ready(pnb_problem *problem);
/* Options with those that depend on the problem filled in; the caller frees. gpu may be NULL. */
pnb_status pnb_problem_options(pnb_problem *problem, pnb_gpu *gpu, void **out);
/* All that the problem needs on the device, then its method's solver. profile: its programs can be timed kernel by kernel.
 * options, unless NULL, receives the resolved ones for the caller to free, whatever becomes of the solver. */
pnb_status pnb_problem_solver(pnb_problem *problem, bool profile, void **options, pnb_solver **out);
/* memory.c: refuses, before anything is allocated, a run whose plan is over the budget, with the options that would fit;
 * and evaluations of n images or vectors, as a sampler makes them. */
pnb_status pnb_problem_check_memory(pnb_problem *problem, const pnb_task *task, const void *options);
pnb_status pnb_model_check_memory(pnb_model *model, pnb_gpu *gpu, pnb_shape image, uint32_t n);
/* The budget of a context: its memory limit, else what the device has; 0: not known. */
uint64_t pnb_context_budget(const pnb_context *ctx, const pnb_gpu *gpu);
pnb_status pnb_problem_object(pnb_problem *problem, const void *options, cJSON **out);
/* Reads run.json or problem.json: the object to parse, "problem" of a run.json taken out. */
pnb_status pnb_json_load_problem(pnb_error *err, const char *path, cJSON **out);

pnb_extent pnb_extent_of(pnb_shape shape);
bool pnb_shape_of(const pnb_extent *extent, pnb_shape *out); /* false: rank over 4 or an extent of 0 */
pnb_shape pnb_shape_batched(uint32_t n, pnb_shape shape);

/* amortize.c: the generator so far to its file. */
pnb_status pnb_run_write_generator(pnb_run *run);
/* reconstruct.c: the solver of a reconstruction; for other runs nothing. */
bool pnb_run_reconstructs(const pnb_run *run);
pnb_status pnb_run_reconstructor(pnb_run *run, pnb_solver **out);

char *pnb_path_absolute(const char *base_dir, const char *path);
double pnb_seconds_now(void);
/* Copies a caller's versioned struct over defaults, or the other way: the smaller of both sizes. */
void pnb_struct_take(void *to, size_t to_bytes, const void *from);
void pnb_struct_give(void *to, const void *from, size_t from_bytes);
pnb_status pnb_no_memory(pnb_error *err, const char *what);

/* A growing text. A failed allocation is remembered; pnb_text_take then gives NULL. */
typedef struct pnb_text {
    char *at;
    size_t used, room;
    bool failed;
} pnb_text;
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void pnb_text_add(pnb_text *text, const char *format, ...);
pnb_status pnb_text_take(pnb_error *err, pnb_text *text, char **out);
/* Prints JSON and deletes it; json NULL counts as no memory. */
pnb_status pnb_json_take(pnb_error *err, cJSON *json, char **out);
/* Adds a number, or null where it is not finite. */
void pnb_json_number(cJSON *object, const char *key, double value);
/* Adds "device": {name, vendor_id, driver, api}. */
void pnb_json_device(cJSON *object, pnb_gpu *gpu);
/* Adds "tuning": the hash of the tuning table in use, or "none". */
bool pnb_json_tuning(cJSON *object, pnb_gpu *gpu);
cJSON *pnb_json_floats(const float *values, pnb_shape shape);

#endif
