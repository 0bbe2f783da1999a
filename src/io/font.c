/* The glyphs, and how they become straight pieces.
 *
 * A glyph is a list of strokes: a letter, then points "x,y".
 *   L  straight lines from point to point
 *   S  a smooth curve: from the first point to the last, the points between pull it (a quadratic B-spline with clamped
 * ends) O  the closed curve of the same kind; four corners of a box make a round that touches the middle of each side
 *   D  a dot */
#include "io/font.h"

typedef struct glyph {
    float width;
    const char *strokes;
} glyph;

#define BOWL "O 0,-.1 3.8,-.1 3.8,5.1 0,5.1"
#define ARCH "S 0,3 0,5.1 3.6,5.1 3.6,3.2 3.6,0"

/* clang-format off */
static const glyph glyphs[95] = {
    {2.0f, ""},                                                                                   /* space */
    {0.0f, "L 0,7 0,2.2 D 0,.2"},                                                                 /* ! */
    {1.5f, "L 0,7 0,5.2 L 1.5,7 1.5,5.2"},                                                        /* " */
    {4.6f, "L 1.6,7 .7,0 L 3.9,7 3,0 L .3,4.7 4.6,4.7 L 0,2.3 4.3,2.3"},                          /* # */
    {4.0f, "S 3.7,5.2 3.2,6.3 .2,6.4 .2,3.8 4,3.4 4,.6 .5,.7 0,1.8 L 2,7.6 2,-.6"},               /* $ */
    {6.2f, "O 0,3.9 2.3,3.9 2.3,7.1 0,7.1 O 3.9,-.1 6.2,-.1 6.2,3.1 3.9,3.1 L 5.1,7 1.1,0"},      /* % */
    {5.0f, "S 5,0 1.2,4.4 .2,7.2 3.5,7.3 3.4,4.6 -.3,3.6 -.2,-.2 3.9,-.7 4.7,3.2"},               /* & */
    {0.0f, "L 0,7 0,5.2"},                                                                        /* ' */
    {1.6f, "S 1.6,7.9 0,6 0,0 1.6,-1.9"},                                                         /* ( */
    {1.6f, "S 0,7.9 1.6,6 1.6,0 0,-1.9"},                                                         /* ) */
    {2.8f, "L 1.4,7 1.4,4 L .1,6.3 2.7,4.7 L 2.7,6.3 .1,4.7"},                                    /* * */
    {4.0f, "L 2,5.2 2,1.2 L 0,3.2 4,3.2"},                                                        /* + */
    {0.5f, "L .5,.3 0,-1.4"},                                                                     /* , */
    {2.4f, "L 0,3 2.4,3"},                                                                        /* - */
    {0.0f, "D 0,.2"},                                                                             /* . */
    {2.8f, "L 0,-.8 2.8,7.6"},                                                                    /* / */
    {4.0f, "O 0,-.1 4,-.1 4,7.1 0,7.1"},                                                          /* 0 */
    {4.0f, "L .8,5.6 2.4,7 2.4,0"},                                                               /* 1 */
    {4.0f, "S .2,5.3 .4,7.1 3.9,7.1 3.9,4.3 .1,0 L .1,0 4,0"},                                    /* 2 */
    {4.0f, "S .3,5.9 .7,7.1 3.7,7.2 3.7,3.8 1.5,3.8 S 1.5,3.8 4.1,3.8 4.1,-.1 .6,-.1 .1,1.3"},    /* 3 */
    {4.0f, "L 3,0 3,7 0,2 4.2,2"},                                                                /* 4 */
    {4.0f, "L 3.6,7 .6,7 .4,3.9 S .4,3.9 1,4.6 4.1,4.8 4.1,-.1 .6,-.1 .1,1.2"},                   /* 5 */
    {4.0f, "S 3.5,6.2 2.9,7.1 0,7.4 0,2.2 O 0,-.1 4,-.1 4,4.5 0,4.5"},                            /* 6 */
    {4.0f, "L 0,7 4,7 1.3,0"},                                                                    /* 7 */
    {4.0f, "O .3,3.8 3.7,3.8 3.7,7.1 .3,7.1 O 0,-.1 4,-.1 4,3.8 0,3.8"},                          /* 8 */
    {4.0f, "O 0,2.5 4,2.5 4,7.1 0,7.1 S 4,4.8 4,-.4 1.1,-.1 .5,.8"},                              /* 9 */
    {0.0f, "D 0,.2 D 0,4"},                                                                       /* : */
    {0.5f, "D .4,4 L .5,.3 0,-1.4"},                                                              /* ; */
    {3.6f, "L 3.6,5.6 0,3.2 3.6,.8"},                                                             /* < */
    {4.0f, "L 0,4.2 4,4.2 L 0,2.2 4,2.2"},                                                        /* = */
    {3.6f, "L 0,5.6 3.6,3.2 0,.8"},                                                               /* > */
    {3.5f, "S 0,5.6 .3,7.2 3.5,7.2 3.5,4.6 1.7,4.2 1.7,2.2 D 1.7,.2"},                            /* ? */
    {6.8f, "S 5.6,-.9 4.4,-1.5 0,-1.5 0,7.2 6.8,7.2 6.8,1.2 4.6,.6 4.6,4.4 O 2,1 4.6,1 4.6,4.4 2,4.4"}, /* @ */
    {5.2f, "L 0,0 2.6,7 5.2,0 L .9,2.4 4.3,2.4"},                                                 /* A */
    {4.7f, "L 0,0 0,7 S 0,7 1.6,7 4.2,7 4.2,3.7 1.6,3.7 0,3.7 S 0,3.7 1.8,3.7 4.7,3.7 4.7,0 1.8,0 0,0"}, /* B */
    {5.0f, "S 5,5.4 4.2,7.1 0,7.2 0,-.2 4.2,-.1 5,1.6"},                                          /* C */
    {5.0f, "L 0,0 0,7 S 0,7 1.5,7 5,7 5,0 1.5,0 0,0"},                                            /* D */
    {4.0f, "L 4,7 0,7 0,0 4,0 L 0,3.6 3.5,3.6"},                                                  /* E */
    {4.0f, "L 4,7 0,7 0,0 L 0,3.6 3.5,3.6"},                                                      /* F */
    {5.2f, "S 5,5.5 4.2,7.1 0,7.2 0,-.2 5.2,-.1 5.2,3.2 L 5.2,3.2 3.1,3.2"},                      /* G */
    {4.8f, "L 0,0 0,7 L 4.8,0 4.8,7 L 0,3.6 4.8,3.6"},                                            /* H */
    {0.0f, "L 0,0 0,7"},                                                                          /* I */
    {3.0f, "S 3,7 3,2 3,-.1 .2,-.2 0,1.4"},                                                       /* J */
    {4.8f, "L 0,0 0,7 L 4.5,7 0,2.6 L 1.6,4.1 4.8,0"},                                            /* K */
    {3.8f, "L 0,7 0,0 3.8,0"},                                                                    /* L */
    {5.8f, "L 0,0 0,7 2.9,1.8 5.8,7 5.8,0"},                                                      /* M */
    {4.8f, "L 0,0 0,7 4.8,0 4.8,7"},                                                              /* N */
    {5.6f, "O 0,-.1 5.6,-.1 5.6,7.1 0,7.1"},                                                      /* O */
    {4.5f, "L 0,0 0,7 S 0,7 1.8,7 4.5,7 4.5,3.2 1.8,3.2 0,3.2"},                                  /* P */
    {5.6f, "O 0,-.1 5.6,-.1 5.6,7.1 0,7.1 L 3.4,1.8 5.6,-.6"},                                    /* Q */
    {4.6f, "L 0,0 0,7 S 0,7 1.8,7 4.5,7 4.5,3.2 1.8,3.2 0,3.2 L 2.3,3.2 4.6,0"},                  /* R */
    {4.6f, "S 4.3,5.7 3.7,7.1 .2,7.2 .2,3.9 4.6,3.5 4.6,-.2 .6,-.2 0,1.4"},                       /* S */
    {5.0f, "L 0,7 5,7 L 2.5,7 2.5,0"},                                                            /* T */
    {4.8f, "S 0,7 0,2.6 0,-.1 4.8,-.1 4.8,2.6 4.8,7"},                                            /* U */
    {5.0f, "L 0,7 2.5,0 5,7"},                                                                    /* V */
    {7.4f, "L 0,7 1.9,0 3.7,7 5.5,0 7.4,7"},                                                      /* W */
    {4.6f, "L 0,7 4.6,0 L 4.6,7 0,0"},                                                            /* X */
    {4.8f, "L 0,7 2.4,3.4 4.8,7 L 2.4,3.4 2.4,0"},                                                /* Y */
    {4.6f, "L .1,7 4.5,7 0,0 4.6,0"},                                                             /* Z */
    {1.4f, "L 1.4,7.6 0,7.6 0,-1.6 1.4,-1.6"},                                                    /* [ */
    {2.8f, "L 0,7.6 2.8,-.8"},                                                                    /* \ */
    {1.4f, "L 0,7.6 1.4,7.6 1.4,-1.6 0,-1.6"},                                                    /* ] */
    {3.4f, "L 0,4.4 1.7,7 3.4,4.4"},                                                              /* ^ */
    {4.0f, "L 0,-1.4 4,-1.4"},                                                                    /* _ */
    {1.0f, "L 0,7.4 1,6"},                                                                        /* ` */
    {3.8f, BOWL " L 3.8,5 3.8,0"},                                                                /* a */
    {3.8f, "L 0,7.4 0,0 " BOWL},                                                                  /* b */
    {3.5f, "S 3.5,4 3,5.1 0,5.1 0,-.1 3,-.1 3.5,1"},                                              /* c */
    {3.8f, BOWL " L 3.8,7.4 3.8,0"},                                                              /* d */
    {3.8f, "L .1,2.6 3.8,2.6 S 3.8,2.6 3.8,5.1 0,5.1 0,-.1 3,-.1 3.6,.9"},                        /* e */
    {2.5f, "S 2.6,7.3 1,7.7 1,5.6 1,0 L 0,5 2.4,5"},                                              /* f */
    {3.8f, BOWL " S 3.8,5 3.8,-.6 3.8,-2.2 .6,-2.2 .2,-1.4"},                                     /* g */
    {3.6f, "L 0,7.4 0,0 " ARCH},                                                                  /* h */
    {0.0f, "L 0,5 0,0 D 0,6.9"},                                                                  /* i */
    {1.0f, "S 1,5 1,-.8 1,-2.2 -.4,-2 D 1,6.9"},                                                  /* j */
    {3.5f, "L 0,7.4 0,0 L 3.3,5 0,1.9 L 1.2,3 3.5,0"},                                            /* k */
    {1.1f, "S 0,7.4 0,1.2 0,0 1.1,0"},                                                            /* l */
    {6.0f, "L 0,5 0,0 S 0,3 0,5.1 3,5.1 3,3.2 3,0 S 3,3 3,5.1 6,5.1 6,3.2 6,0"},                  /* m */
    {3.6f, "L 0,5 0,0 " ARCH},                                                                    /* n */
    {4.0f, "O 0,-.1 4,-.1 4,5.1 0,5.1"},                                                          /* o */
    {3.8f, "L 0,5 0,-2.2 " BOWL},                                                                 /* p */
    {3.8f, BOWL " L 3.8,5 3.8,-2.2"},                                                             /* q */
    {2.2f, "L 0,5 0,0 S 0,2.6 .1,5.1 2.3,4.9"},                                                   /* r */
    {3.3f, "S 3.1,4.1 2.6,5.1 .1,5.2 .1,2.7 3.3,2.4 3.3,-.2 .5,-.1 0,1"},                         /* s */
    {2.5f, "L 0,5 2.4,5 S 1,6.6 1,1.6 1,0 2.5,.1"},                                               /* t */
    {3.6f, "S 0,5 0,1.8 0,-.1 3.6,-.1 3.6,2 L 3.6,5 3.6,0"},                                      /* u */
    {3.8f, "L 0,5 1.9,0 3.8,5"},                                                                  /* v */
    {5.6f, "L 0,5 1.4,0 2.8,5 4.2,0 5.6,5"},                                                      /* w */
    {3.5f, "L 0,5 3.5,0 L 3.5,5 0,0"},                                                            /* x */
    {3.8f, "L 0,5 1.9,0 S 3.8,5 1.7,-.6 1.2,-2.2 .1,-2.1"},                                       /* y */
    {3.5f, "L .1,5 3.4,5 0,0 3.5,0"},                                                             /* z */
    {2.1f, "S 2.1,7.6 .7,7.7 .9,3.3 0,3.05 S 0,3.05 .9,2.8 .7,-1.6 2.1,-1.5"},                    /* { */
    {0.0f, "L 0,7.8 0,-2"},                                                                       /* | */
    {2.1f, "S 0,7.6 1.4,7.7 1.2,3.3 2.1,3.05 S 2.1,3.05 1.2,2.8 1.4,-1.6 0,-1.5"},                /* } */
    {4.0f, "S 0,2.6 .9,4.4 3.1,2 4,3.8"},                                                         /* ~ */
};
/* clang-format on */

enum { MAX_POINTS = 16, PIECES = 6 };

typedef struct point {
    float x, y;
} point;

static const glyph *glyph_of(char c) {
    return &glyphs[c >= 32 && c <= 126 ? c - 32 : '?' - 32];
}

float pnb_font_advance(char c) {
    return c == ' ' ? 3.0f : glyph_of(c)->width + 2.1f;
}

/* A decimal of the table: the C library's parser would follow the locale. */
static float take_number(const char **p) {
    float sign = 1, value = 0, unit = 0;
    if (**p == '-') {
        sign = -1;
        (*p)++;
    }
    for (; (**p >= '0' && **p <= '9') || **p == '.'; (*p)++) {
        if (**p == '.') {
            unit = 0.1f;
        } else if (unit > 0) {
            value += unit * (float)(**p - '0');
            unit *= 0.1f;
        } else {
            value = 10 * value + (float)(**p - '0');
        }
    }
    return sign * value;
}

static size_t take_points(const char **p, point *points) {
    size_t n = 0;
    while (**p == ' ') (*p)++;
    while (n < MAX_POINTS && (**p == '-' || **p == '.' || (**p >= '0' && **p <= '9'))) {
        points[n].x = take_number(p);
        if (**p == ',') (*p)++;
        points[n++].y = take_number(p);
        while (**p == ' ') (*p)++;
    }
    return n;
}

static size_t add_line(pnb_segment *out, size_t n, point a, point b) {
    if (n < PNB_FONT_MAX_SEGMENTS) out[n++] = (pnb_segment){a.x, a.y, b.x, b.y};
    return n;
}

/* A parabola from a to c pulled by b. */
static size_t add_curve(pnb_segment *out, size_t n, point a, point b, point c) {
    point last = a;
    for (int i = 1; i <= PIECES; i++) {
        float t = (float)i / PIECES, u = 1 - t;
        point next = {u * u * a.x + 2 * u * t * b.x + t * t * c.x, u * u * a.y + 2 * u * t * b.y + t * t * c.y};
        n = add_line(out, n, last, next);
        last = next;
    }
    return n;
}

static point middle(point a, point b) {
    return (point){0.5f * (a.x + b.x), 0.5f * (a.y + b.y)};
}

static size_t add_stroke(pnb_segment *out, size_t n, char kind, const point *p, size_t count) {
    if (kind == 'D') return add_line(out, n, p[0], p[0]);
    if (kind == 'L') {
        for (size_t i = 1; i < count; i++) n = add_line(out, n, p[i - 1], p[i]);
    } else if (kind == 'O') {
        for (size_t i = 0; i < count; i++) {
            const point *before = &p[(i + count - 1) % count], *after = &p[(i + 1) % count];
            n = add_curve(out, n, middle(*before, p[i]), p[i], middle(p[i], *after));
        }
    } else {
        for (size_t i = 1; i + 1 < count; i++) {
            point from = i == 1 ? p[0] : middle(p[i - 1], p[i]),
                  to = i + 2 == count ? p[i + 1] : middle(p[i], p[i + 1]);
            n = add_curve(out, n, from, p[i], to);
        }
    }
    return n;
}

size_t pnb_font_segments(char c, pnb_segment out[PNB_FONT_MAX_SEGMENTS]) {
    size_t n = 0;
    for (const char *p = glyph_of(c)->strokes; *p;) {
        char kind = *p++;
        point points[MAX_POINTS];
        size_t count = take_points(&p, points);
        if (count == 0) break;
        n = add_stroke(out, n, kind, points, count);
    }
    return n;
}
