/* The step state: a small VARIABLE tensor of PNB_STATE_SIZE floats (integers as uint bits) that the programs of a solver carry
 * from step to step on the device, and the ops that advance and read it. C and GLSL read this file.
 *
 * Everything that changes from step to step and can be known in advance (learning rates, windows of noise levels, sampler
 * coefficients) is computed once, in double, into a table with one row of PNB_ROW_SIZE floats a step; advancing copies a row. */
#define PNB_STATE_STEP 0      /* uint: steps done, all phases together */
#define PNB_STATE_DRAW 1      /* uint: draws of (t, noise) begun: the "step" of the Philox counter */
#define PNB_STATE_LR 4        /* particles: learning rate, 1 - beta1^n, 1 - beta2^n */
#define PNB_STATE_AUX_LR 8    /* auxiliary network: the same three */
#define PNB_STATE_POWERS 12   /* beta1^n, beta2^n of the particles, then of the auxiliary network */
#define PNB_STATE_ROW 16      /* the row of this step */
#define PNB_ROW_SIZE 24
#define PNB_STATE_SIZE 64     /* 256 bytes */

/* Columns of a row. Samplers use the later ones for coefficients of their own. */
#define PNB_ROW_LR 0          /* of the particles */
#define PNB_ROW_AUX_LR 1
#define PNB_ROW_LAMBDA_FINE 2   /* log-SNR of the lower end of the window of noise levels (little noise: the larger number) */
#define PNB_ROW_LAMBDA_COARSE 3 /* and of its upper end */
#define PNB_ROW_STEP 4          /* the row's own number, as a float: an index for pnb_lookup */
#define PNB_ROW_FREE 5

/* What one advance does. */
#define PNB_ADVANCE_STEP 1u     /* load the row of the current step, then count the step */
#define PNB_ADVANCE_DRAW 2u     /* count a draw */
#define PNB_ADVANCE_ADAM 4u     /* count an Adam step of the particles */
#define PNB_ADVANCE_AUX_ADAM 8u /* count an Adam step of the auxiliary network */
#define PNB_ADVANCE_PEEK 16u    /* load the row of the current step without counting it */
