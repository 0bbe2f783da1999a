/* Push block of the log-SNR features. */
#include "lib/share.h"

PNB_PUSH_BEGIN(fourier)
    u32 samples;
PNB_PUSH_END(fourier)
