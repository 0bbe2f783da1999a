/* Push constants of the advance of the step state; its layout is in step_state_layout.h. */
#include "solve/step_state_layout.h"
#include "lib/share.h"
PNB_PUSH_BEGIN(step_state)
    u32 flags;
    u32 rows;
    f32 beta1, beta2, aux_beta1, aux_beta2;
PNB_PUSH_END(step_state)
