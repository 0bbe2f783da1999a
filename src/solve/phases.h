/* What all methods are made of: phases, each a fixed list of programs replayed once or more a step, over one store.
 *
 * A method's create function describes its persistent tensors and its table of step rows, builds its programs, lists
 * them as phases, and leaves stepping, saving and reading to phases.c.
 */
#ifndef PNB_SOLVE_PHASES_H
#define PNB_SOLVE_PHASES_H

#include "solve/generator.h"
#include "solve/solver.h"
#include "solve/step_state.h"
#include "train/pool.h"

enum { PNB_MAX_PHASES = 3, PNB_MAX_ITEMS = 4, PNB_MAX_PROGRAMS = 8 };

/* Philox streams: every use of noise has its own. */
enum {
    PNB_STREAM_INIT = 1,
    PNB_STREAM_LEVEL,
    PNB_STREAM_EPS,
    PNB_STREAM_MU,
    PNB_STREAM_AUX_LEVEL,
    PNB_STREAM_AUX_EPS,
    PNB_STREAM_FINISH,
    PNB_STREAM_SAMPLER,
    PNB_STREAM_MEASUREMENT,
    PNB_STREAM_EXCHANGE,
    PNB_STREAM_GENERATOR,
    PNB_STREAM_BATCH,
    PNB_STREAM_CONSISTENCY,
    PNB_STREAM_GUESS
};

extern const pnb_method pnb_method_ppm, pnb_method_reddiff, pnb_method_dps, pnb_method_pigdm, pnb_method_ddrm,
    pnb_method_rlsd, pnb_method_langevin, pnb_method_ppm_amortized, pnb_method_davi;

typedef struct pnb_phase_item {
    pnb_program *program;
    uint32_t repeat, first_repeat; /* runs a step; runs in the phase's first step */
    uint64_t evaluations;          /* network evaluations of one run */
} pnb_phase_item;

enum { PNB_LOSS_DATA = 1, PNB_LOSS_PRIOR = 2, PNB_LOSS_AUXILIARY = 4 };

typedef struct pnb_phase {
    const char *name;
    uint32_t steps;
    uint32_t losses; /* those that its programs record: PNB_LOSS_... */
    uint32_t n_items;
    pnb_phase_item items[PNB_MAX_ITEMS];
} pnb_phase;

struct pnb_solver {
    pnb_error *err;
    pnb_task task;
    const char *method;
    uint32_t particles;
    pnb_shape sample; /* of all samples: [K, image...] */
    pnb_store *store; /* x, losses, state, moments ... */
    pnb_storage *x, *before, *losses, *state, *table, *schedule, *y, *noise; /* noise: recorded, or NULL */
    pnb_adapter *adapter; /* NULL where the method has none */
    pnb_prior *generator, *average; /* of amortized methods: the network that learns, its running mean; else NULL */
    pnb_generator gen;              /* how its output becomes a sample */
    pnb_pool measurements, truths;  /* what it learns from */
    float *rows;          /* host copy of the table while it is described: [steps, PNB_ROW_SIZE] */
    uint32_t n_rows;
    pnb_program_memory *memory;              /* of the programs */
    pnb_program *programs[PNB_MAX_PROGRAMS]; /* owned */
    uint32_t n_programs;
    pnb_phase phases[PNB_MAX_PHASES];
    uint32_t n_phases;
    uint32_t done, in_flight, finish_phase; /* finish_phase: index of the finish, or n_phases */
    uint64_t evaluations, fingerprint, choices; /* choices: a hash of which candidates the programs took */
};

/* [K, image...] for a task. */
pnb_shape pnb_samples_shape(const pnb_task *task, uint32_t particles);

/* Allocates a solver with the persistent tensors that every method has: x and losses [4], state, table [steps],
 * schedule, and, if the task has a measurement, y repeated for each particle. steps: of all phases. */
pnb_status pnb_solver_begin(pnb_error *err, const pnb_task *task, const char *method, pnb_shape sample, uint32_t steps,
                            pnb_solver **out);
/* Commits the store (and adapter), uploads table, schedule, state and y. Call after all tensors were described and rows
 * filled. */
pnb_status pnb_solver_commit(pnb_solver *s);
/* Makes a program of g, owned by the solver; destroys the graph in any case. */
pnb_status pnb_solver_program(pnb_solver *s, pnb_graph **g, pnb_program **out);
/* The same of what `build` adds to a fresh graph. */
typedef pnb_status (*pnb_graph_builder)(pnb_solver *s, pnb_graph *g, const void *user);
pnb_status pnb_solver_build(pnb_solver *s, const char *name, pnb_graph_builder build, const void *user,
                            pnb_program **out);
/* For methods of one phase, named as the method: each row is a step, a replay of this graph, in which every particle takes
 * one network evaluation. After pnb_solver_commit. */
pnb_status pnb_solver_only_phase(pnb_solver *s, uint32_t losses, pnb_graph_builder step, const void *user);
/* Mixes bytes into the fingerprint that a checkpoint must match. */
void pnb_solver_fingerprint(pnb_solver *s, const void *bytes, size_t n);
/* The means over particles of data, prior and auxiliary, [N] each (PNB_NONE: not a number of this method, stays 0),
 * into the losses tensor. */
pnb_status pnb_solver_record_losses(pnb_solver *s, pnb_graph *g, pnb_tensor data, pnb_tensor prior,
                                    pnb_tensor auxiliary);
/* Column `c` of this step's row, a number for each particle: [K]. */
pnb_status pnb_solver_column(const pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t c, pnb_tensor *out);
/* A noise level takes three columns in a row, from `first` on: its timestep, alpha and sigma. */
void pnb_row_set_level(float *row, uint32_t first, const pnb_schedule *sch, uint32_t t);
/* The same for a level between two of the schedule's: 1/sqrt(1+rho^2), rho/sqrt(1+rho^2). */
void pnb_row_set_rho(float *row, uint32_t first, const pnb_schedule *sch, double rho);
/* The same in continuous VP time, which InverseBench's methods walk evenly: the network receives 999 tau(rho). */
void pnb_row_set_vp(float *row, uint32_t first, const pnb_schedule *sch, double rho);
/* Time i of n: evenly from 1 to 1e-3; time n is where rho is .01. */
double pnb_vp_time(uint32_t i, uint32_t n);
pnb_status pnb_solver_level(const pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t first, pnb_level *out);
/* N(0,1) for each element of all samples, afresh each step: of this stream, or the task's recorded numbers. */
pnb_status pnb_solver_noise(const pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t stream, pnb_tensor *out);
/* Runs a program once now and waits (initialisation). */
pnb_status pnb_solver_run_once(pnb_solver *s, pnb_program *p);

/* Learning rate at step i of n: held for a fraction, then a cosine down to `end` times itself. */
double pnb_hold_cosine(double lr, uint32_t i, uint32_t n, double hold, double end);

/* The data gradient J^T r / sigma^2 with each particle's loss |r|^2/(2 sigma^2), [K], of the residual r (A x - y, or as
 * measure/residual.h has it) and its derivative J (A where that is linear): x [K, image...], y [K, measurement...].
 * With photon noise (measure/photons.h) the loss is minus the log-density, up to a constant, where sigma is sigma_y, and in
 * proportion to 1/sigma^2 elsewhere; the gradient is its own. */
pnb_status pnb_data_term(pnb_solver *s, pnb_graph *g, pnb_tensor x, double sigma, pnb_tensor *gradient,
                         pnb_tensor *loss);

/* The same where the image is known to some level only: each entry's variance is sigma^2 (1 + wider d_i), wider [K] =
 * (|A| level/sigma)^2, d_i its spread (pnb_operator_spreads). misfit is the loss as pnb_data_term has it. wider PNB_NONE: 0. */
typedef struct pnb_wide_term {
    pnb_tensor gradient, loss, misfit;
} pnb_wide_term;
pnb_status pnb_data_term_wide(pnb_solver *s, pnb_graph *g, pnb_tensor x, double sigma, pnb_tensor wider, pnb_wide_term *out);
/* What level rho leaves unknown in a pixel, as a variance: rho^2; for nonlinear operators, whose data should count while
 * shapes form, no more than the prior's own spread, 1/(1/rho^2 + 1/s^2) (PiGDM's r_t^2 with EDM's s = 0.5 of images). */
double pnb_level_variance(const pnb_task *task, double rho);
/* Largest eigenvalue that the loss's second derivative has, wider as there. */
double pnb_data_curvature(const pnb_task *task, double sigma, double wider);

/* The same for photon noise alone, each entry's variance larger by extra [K] (PNB_NONE: as it is). */
pnb_status pnb_photons_term(pnb_solver *s, pnb_graph *g, pnb_tensor x, double sigma, pnb_tensor extra, pnb_tensor *gradient,
                            pnb_tensor *loss);

/* Refuses photon noise for a method that works with one sigma_y. */
pnb_status pnb_refuse_photons(pnb_error *err, const char *method, const pnb_task *task);

/* The same against measurements y that are not the solver's. */
pnb_status pnb_data_term_of(pnb_solver *s, pnb_graph *g, pnb_tensor x, pnb_tensor y, double sigma, pnb_tensor *gradient,
                            pnb_tensor *loss);

/* x becomes x + A^+ (y - A x): what is measured is met. The operator has a pseudo-inverse. */
pnb_status pnb_project(pnb_solver *s, pnb_graph *g);

/* Initial guess A^+ y or A^T y, plus noise of the given standard deviation, assigned to x. */
pnb_status pnb_solver_initialise(pnb_solver *s, double noise);
/* The same diffused to level rho, as x_t: (guess + rho xi)/sqrt(1 + rho^2). */
pnb_status pnb_solver_initialise_at(pnb_solver *s, double rho);

/* Guided Langevin steps with the prior alone, the noise level falling from rho_start to rho (rho_start <= rho: constant). */
typedef struct pnb_langevin {
    uint32_t steps;
    double rho, rho_start, step_size; /* step_size: fraction of the largest stable step */
    bool project;                     /* after each step, pnb_project */
} pnb_langevin;
/* Describes their rows from row `first` on; before pnb_solver_commit. */
void pnb_langevin_rows(pnb_solver *s, const pnb_langevin *langevin, uint32_t first);
pnb_status pnb_langevin_program(pnb_solver *s, const pnb_langevin *langevin, pnb_program **step);

#endif
