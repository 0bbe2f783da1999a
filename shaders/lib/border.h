/* What lies beyond the edge of an image; for C and GLSL. */
#ifndef PNB_BORDER_H
#define PNB_BORDER_H
#define PNB_BORDER_REFLECT 0 /* the image mirrored, its edge not repeated: ... 2 1 | 0 1 2 ... */
#define PNB_BORDER_CIRCULAR 1 /* the image again */
#define PNB_BORDER_ZERO 2
#endif
