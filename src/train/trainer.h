/* Training a diffusion prior: noise prediction on images (Ho et al. 2020, arXiv 2006.11239, L_simple), on the device.
 *
 * A step is one replay of a recorded program: a batch gathered, mirrored and zoomed, noise levels (stratified, even in
 * the schedule's index) and noise drawn by counter, forward, backward, the gradients' norm limited, Adam and the
 * running mean of the weights (EMA) fused over all tensors. The images lie in device memory. All that changes lies in
 * persistent tensors, so a trainer can be saved after any step and goes on to the same bytes.
 */
#ifndef PNB_TRAIN_TRAINER_H
#define PNB_TRAIN_TRAINER_H

#include "base/options.h"
#include "prior/prior.h"
#include "train/images.h"

typedef struct pnb_trainer pnb_trainer;

typedef struct pnb_train_options {
    int32_t steps, batch, warmup, flip, fit, validation, validate_every;
    double lr, lr_end, beta1, beta2, decay, clip, ema, zoom_low, zoom_high;
    bool checkpointing;
} pnb_train_options;
enum { PNB_FLIP_NONE, PNB_FLIP_HORIZONTAL, PNB_FLIP_BOTH };
extern const pnb_option_table pnb_train_table;

/* What is trained on what. Borrowed: gpu, and the images until the trainer is made; the two priors, trainable and of
 * one shape and equal weights, are committed here and must outlive it. */
typedef struct pnb_train_task {
    pnb_gpu *gpu;
    pnb_prior *prior, *average; /* the weights that learn, and their running mean */
    const pnb_images *images;
    const pnb_images *held; /* for validation; NULL or empty: none */
    uint64_t seed, memory_budget;
} pnb_train_task;

pnb_status pnb_trainer_create(pnb_error *err, const pnb_train_task *task, const pnb_train_options *options,
                              pnb_trainer **out);
void pnb_trainer_destroy(pnb_trainer **trainer);

/* Queue one step. Waits when more than a few are in flight. */
pnb_status pnb_trainer_step(pnb_trainer *t);
uint32_t pnb_trainer_step_index(const pnb_trainer *t); /* steps done */
/* Whether the loss since the last such step is to be read now: about 200 times a run, and at its end. */
bool pnb_trainer_logs(const pnb_trainer *t);
/* Whether validation is due after this step. */
bool pnb_trainer_validates(const pnb_trainer *t);
/* Wait and read: mean square of the noise's error, a mean over the steps since the last logged one. Not finite:
 * PNB_ERROR_NUMERIC. norm: of the latest gradient, before it was limited; may be NULL. */
pnb_status pnb_trainer_loss(pnb_trainer *t, double *loss, double *norm);
/* The same of the running mean on the held-out images, always with the same noise. */
pnb_status pnb_trainer_validate(pnb_trainer *t, double *loss);
uint64_t pnb_trainer_planned_bytes(const pnb_trainer *t);
/* Whole state; load refuses another task. Atomic write. */
pnb_status pnb_trainer_save(pnb_trainer *t, const char *path);
pnb_status pnb_trainer_load(pnb_trainer *t, const char *path);
uint64_t pnb_trainer_fingerprint(const pnb_trainer *t);

#endif
