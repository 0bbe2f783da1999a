#include "lib/share.h"

PNB_PUSH_BEGIN(sparse)
    u32 batch, rows, columns;
    u32 angle; /* rows from here on are angles in radians, brought to [-pi, pi] */
PNB_PUSH_END(sparse)
