/* A training run while it goes on: what train.c steps and training_files.c writes. */
#ifndef PNB_API_TRAINING_H
#define PNB_API_TRAINING_H

#include "api/handles.h"
#include "train/trainer.h"

/* A loss over steps. */
typedef struct pnb_course {
    double *step, *loss;
    size_t n, room;
} pnb_course;

typedef struct pnb_training {
    pnb_context *ctx;
    pnb_error *err;
    pnb_train_params params;
    pnb_train_options o;
    const pnb_fresh *fresh; /* NULL: from params.init */
    pnb_prior *prior, *average;
    pnb_trainer *trainer;
    uint32_t channels, size;
    uint64_t images;                                              /* trained on */
    char *folder, *state, *record, *loss_figure, *samples_figure; /* paths */
    cJSON *identity;                                              /* what the run is known by */
    pnb_course training, validation;
    double seconds, seconds_here; /* all sessions; this one */
    uint32_t steps_here;
    double next_checkpoint, next_samples; /* pnb_seconds_now */
} pnb_training;

/* Paths, from params.output. */
pnb_status pnb_training_paths(pnb_training *t);
/* Checkpoint, record, prior and figures; samples only where they are due, or at the end. */
pnb_status pnb_training_keep(pnb_training *t, bool end);
/* The checkpoint and its record, into a trainer that was just made. */
pnb_status pnb_training_load(pnb_training *t);
/* Fails where the record that is there is of another run. */
pnb_status pnb_training_check_record(const pnb_training *t);
void pnb_training_remove_checkpoint(const pnb_training *t);
pnb_status pnb_course_add(pnb_error *err, pnb_course *c, double step, double loss);

#endif
