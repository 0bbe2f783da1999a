/* What can be chosen of a training run. */
#include "train/trainer.h"

static const char *const flips[] = {"none", "horizontal", "both", NULL};
static const char *const fits[] = {"auto", "resize", "pad", NULL};

#define INT(name, def, lo, hi, help)                                                                                   \
    { #name, PNB_OPTION_INT, offsetof(pnb_train_options, name), def, lo, hi, NULL, "", help }
#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(pnb_train_options, name), def, lo, hi, NULL, "", help }
#define CHOICE(name, def, words, help)                                                                                 \
    { #name, PNB_OPTION_CHOICE, offsetof(pnb_train_options, name), def, 0, 9, words, "", help }
static const pnb_option options[] = {
    INT(steps, 20000, 1, 1000000, "updates of the weights"),
    INT(batch, 64, 1, 4096, "images an update"),
    REAL(lr, 0, 0, 1, "learning rate; 0: what suits the network's size"),
    INT(warmup, 200, 0, 100000, "steps over which the learning rate rises; at most a tenth of all"),
    REAL(lr_end, 0.02, 0, 1, "what it falls to along a cosine, as a fraction"),
    REAL(beta1, 0.9, 0, 0.9999, "Adam's beta 1"),
    REAL(beta2, 0.99, 0, 0.99999, "Adam's beta 2"),
    REAL(decay, 0, 0, 1, "decay of the weights, apart from the gradient (AdamW)"),
    REAL(clip, 1, 0, 1e6, "largest norm of all gradients together; 0: no limit"),
    REAL(ema, 0.9995, 0, 0.999999, "running mean of the weights: what it keeps a step, at most (1+step)/(10+step)"),
    CHOICE(flip, PNB_FLIP_HORIZONTAL, flips, "mirror images at random"),
    REAL(zoom_low, 1, 0.25, 4, "enlarge images by a random factor, at least"),
    REAL(zoom_high, 1, 0.25, 4, "and at most"),
    CHOICE(fit, PNB_FIT_AUTO, fits,
           "images of another size: IDX padded and others resampled, or one of the two for all"),
    INT(validation, 256, 0, 1000000, "images held out to measure the loss on, at most a tenth"),
    INT(validate_every, 0, 0, 1000000, "steps between validations; 0: fifty a run"),
    {"checkpointing", PNB_OPTION_BOOL, offsetof(pnb_train_options, checkpointing), 0, 0, 1, NULL, "",
     "recompute activations in the backward pass: less memory, about a third more time"},
};

const pnb_option_table pnb_train_table = {options, sizeof options / sizeof *options, sizeof(pnb_train_options)};
