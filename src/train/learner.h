/* One update of a network's weights: gradients, their norm limited, Adam and the running mean, fused over all tensors.
 */
#ifndef PNB_TRAIN_LEARNER_H
#define PNB_TRAIN_LEARNER_H

#include "prior/prior.h"
#include "solve/step_state.h"

/* Entries of the step state behind the row: the factor of the gradients, and their norm. */
enum { PNB_LEARNER_CLIP = PNB_STATE_ROW + PNB_ROW_SIZE, PNB_LEARNER_NORM };

/* Plain memory; everything is borrowed. */
typedef struct pnb_learner {
    pnb_store *store; /* has Adam's moments, "<prefix>m.<name>" and "<prefix>v.<name>" */
    const char *prefix;
    pnb_prior *network, *average;     /* trainable, of one shape: the weights that learn, and their running mean */
    double beta1, beta2, decay, clip; /* clip: largest norm of all gradients together; 0: no limit */
    uint32_t ema_index;               /* of the state: how far the running mean moves */
} pnb_learner;

/* Describes the moments, laid out as the weights are. */
pnb_status pnb_learner_describe(const pnb_learner *l, pnb_error *err);
/* The gradient is gscale times that of sum(out * cotangent); the learning rate is the state's, PNB_STATE_LR. */
pnb_status pnb_learner_step(const pnb_learner *l, pnb_graph *g, pnb_tensor state, pnb_tensor out, pnb_tensor cotangent,
                            double gscale);

#endif
