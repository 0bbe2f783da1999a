/* Methods that turn (prior, operator, measurement) into samples: one file a method, one small interface.
 *
 * A solver is a sequence of steps; each step replays recorded programs, nothing is computed on the host. All that
 * changes lives in persistent tensors, so a solver can be saved after any step and resumed with the same bytes.
 */
#ifndef PNB_SOLVE_SOLVER_H
#define PNB_SOLVE_SOLVER_H

#include "base/options.h"
#include "measure/operator.h"
#include "measure/photons.h"
#include "prior/prior.h"

typedef struct pnb_solver pnb_solver;

/* What is to be solved. Everything is borrowed and must outlive the solver; prior and operator are committed to gpu. */
typedef struct pnb_task {
    pnb_gpu *gpu;
    pnb_prior *prior;
    pnb_operator *op;
    const float *y; /* measurement, pnb_operator_measurement_shape */
    double sigma_y; /* standard deviation of its Gaussian noise, in the units of y; with photon noise its level (pnb_photons_level) */
    pnb_photons photons; /* photon noise, which the variance of each entry then follows; gain 0: none */
    uint64_t seed;
    uint64_t memory_budget; /* bytes for plans; 0: the device's */
    bool profile;           /* programs can be run with a timestamp around every dispatch */
    bool plan_only;         /* programs are planned, nothing is allocated or run: the solver can be asked for its planned
                               bytes and be destroyed. gpu NULL: as for the baseline device */
    /* Recorded random numbers in place of the generator's, to repeat another program's run (dps, pigdm, ddrm, reddiff and
     * the samplers): where the samples start, [K, image...], and N(0,1) for each step, [steps, K, image...]. NULL: drawn. */
    const float *start, *noise; /* start: also the samples that a method with takes_start goes on from */
    /* For the methods that train a generator: measurements [n_measurements, m...], of which y is the first. 0: y alone. */
    const float *measurements;
    uint32_t n_measurements;
    const float *truths; /* [n_measurements, image...] for supervised terms; NULL: there are none */
} pnb_task;

typedef struct pnb_method {
    const char *name; /* "ppm", "reddiff", "dps", ... */
    const char *summary;
    pnb_option_table table;
    pnb_status (*create)(pnb_error *err, const pnb_task *task, const void *options, pnb_solver **out);
    /* Options that depend on the problem (windows against sigma_y, toy or image settings): sets those that the user
     * left at their default. given[i] is true where the user set option i of the table. May be NULL. */
    void (*resolve)(const pnb_task *task, const bool *given, void *options);
    /* Refuses what this method cannot solve, with the alternatives named; create does the same. May be NULL. */
    pnb_status (*check)(pnb_error *err, const pnb_task *task, const void *options);
    bool takes_start; /* task->start [particles, image...] can stand in for its guess */
} pnb_method;
const pnb_method *const *pnb_methods(size_t *count);
const pnb_method *pnb_method_find(const char *name);

/* Losses of the latest step, means over particles; NAN where the method has no such term. */
typedef struct pnb_losses {
    double data, prior, auxiliary;
} pnb_losses;

void pnb_solver_destroy(pnb_solver **solver);
uint32_t pnb_solver_particles(const pnb_solver *s);
uint32_t pnb_solver_steps(const pnb_solver *s);      /* all phases together */
uint32_t pnb_solver_step_index(const pnb_solver *s); /* steps done */
const char *pnb_solver_phase(const pnb_solver *s);   /* "posterior matching", "langevin finish", ... */
/* Queue one step. Waits when more than a few are in flight. At the end: PNB_ERROR_USAGE. */
pnb_status pnb_solver_step(pnb_solver *s);
/* What the next step runs, in order: for benchmarks. Returns how many parts there are (at most `room` are written). */
typedef struct pnb_step_part {
    pnb_program *program;
    uint32_t runs;
    uint64_t evaluations; /* network evaluations of one run */
} pnb_step_part;
size_t pnb_solver_parts(const pnb_solver *s, pnb_step_part *out, size_t room);
/* Program i of all that the solver has; NULL past the last. For tuning, which runs each by itself. */
pnb_program *pnb_solver_get_program(const pnb_solver *s, uint32_t i);
/* Wait and read; non-finite losses: PNB_ERROR_NUMERIC that names the step. */
pnb_status pnb_solver_losses(pnb_solver *s, pnb_losses *out);
/* Wait and read [K, image...] floats. Non-finite values: PNB_ERROR_NUMERIC that names the step. */
pnb_status pnb_solver_samples(pnb_solver *s, float *out);
/* Samples as they were before the finish phase, if there is one and it has begun; else PNB_ERROR_USAGE. */
pnb_status pnb_solver_samples_before_finish(pnb_solver *s, float *out);
uint64_t pnb_solver_evaluations(const pnb_solver *s); /* network evaluations so far (samples x forwards) */
uint64_t pnb_solver_all_evaluations(const pnb_solver *s); /* of the whole run */
/* All that is on the device with this solver: its tensors and programs, prior, operator and adapter. */
uint64_t pnb_solver_planned_bytes(const pnb_solver *s);
/* Checkpoint: all persistent state, a fingerprint of task and options. Atomic write. load refuses another fingerprint.
 */
pnb_status pnb_solver_save(pnb_solver *s, const char *path);
pnb_status pnb_solver_load(pnb_solver *s, const char *path);

/* ---- generators (amortized.c) ------------------------------------------------------------------------------------ */

/* The generator that a method has trained so far, the running mean of its weights, with what is needed to use it and
 * these facts in the metadata: a file for pnb_reconstructor_create. A method without one: PNB_ERROR_USAGE. */
pnb_status pnb_solver_save_generator(pnb_solver *s, const char *path, const pnb_safetensors_pair *facts, size_t n);
/* Its particles are samples of the posterior of task->y by a trained generator, one network evaluation each.
 * task->prior: the network of its file, committed; facts: the file's metadata, which its map is read from. */
pnb_status pnb_reconstructor_create(pnb_error *err, const pnb_task *task, const pnb_safetensors *facts,
                                    uint32_t particles, pnb_solver **out);

/* ---- sampling the prior (samplers.c) ----------------------------------------------------------------------------- */
typedef enum pnb_sampler { PNB_SAMPLER_DDPM, PNB_SAMPLER_DDIM, PNB_SAMPLER_HEUN } pnb_sampler;
typedef struct pnb_sampler_params {
    pnb_sampler sampler; /* ancestral DDPM, DDIM, or EDM's Heun */
    uint32_t steps;      /* of the schedule, evenly; heun: noise levels, two evaluations each. 0: as the schedule has */
    double eta;          /* ddim */
    bool clip;           /* ddpm, ddim: clamp the estimate of x_0 to [-1,1] (images) */
    uint32_t n;
    uint32_t height, width; /* image priors */
    uint64_t seed;
    const float *start, *noise; /* as pnb_task has them */
} pnb_sampler_params;
/* The same interface: a solver whose samples are draws from the prior. */
pnb_status pnb_sampler_create(pnb_error *err, pnb_gpu *gpu, pnb_prior *prior, const pnb_sampler_params *params,
                              pnb_solver **out);

#endif
