/* The figures' own typeface: ASCII as strokes, so that text is smooth at any size and in any direction.
 *
 * Units: capital letters are 7 high, small ones 5, descenders reach -2.2; y points up from the baseline, x to the
 * right. */
#ifndef PNB_IO_FONT_H
#define PNB_IO_FONT_H

#include <stdbool.h>
#include <stddef.h>

enum { PNB_FONT_CAPITAL = 7, PNB_FONT_MAX_SEGMENTS = 160 };

/* Half of a stroke's width, in units. */
#define PNB_FONT_PEN 0.43f

/* One straight piece of a stroke; a dot has two equal ends. */
typedef struct pnb_segment {
    float x0, y0, x1, y1;
} pnb_segment;

/* Distance from the origin of one character to that of the next, in units. Anything but ASCII 32..126 counts as '?'. */
float pnb_font_advance(char c);

/* The strokes of a character. Returns how many; curves come as short pieces. */
size_t pnb_font_segments(char c, pnb_segment out[PNB_FONT_MAX_SEGMENTS]);

#endif
