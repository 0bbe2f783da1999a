#include "lib/share.h"

PNB_PUSH_BEGIN(vlbi)
    u32 batch, count; /* images, visibilities of each */
PNB_PUSH_END(vlbi)

/* What is made of a visibility, in blocks of `count`. */
#define VLBI_RE 0u
#define VLBI_IM 1u
#define VLBI_AMPLITUDE 2u
#define VLBI_LOG 3u
#define VLBI_PHASE 4u
#define VLBI_BLOCKS 5u
