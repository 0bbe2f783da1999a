/* Training images of the cell's fine structures as structured illumination resolves them: filaments N OUT.npy [SEED [FAMILY]]
 *
 * Not recordings: four families that hold what such images show. Microtubules, long and bent a little, crossing,
 * brighter where several lie together; the endoplasmic reticulum, a mesh of tubules with three-way junctions and a
 * sheet here and there; clathrin-coated pits, rings and dots of a few pixels; actin, bundles that run together and a
 * fine fringe. Each image is of a family at random, or of the one that is named: microtubules, reticulum, pits, actin.
 * 64 x 64 pixels of 31 nm (2 um), blurred to about 90 nm, the brightest pixel 1, the empty cell -1.
 */
#include "scenes.h"

#include <math.h>
#include <string.h>

/* Drawn at twice the size, so that lines are smooth. */
enum { SCALE = 2, SIDE = SCALE * SCENE_SIDE, MOST_NODES = 40 };
static const double PI = 3.14159265358979323846;

typedef struct canvas {
    float at[SIDE * SIDE];
} canvas;

static void add(canvas *c, int i, int j, double light) {
    if (i >= 0 && i < SIDE && j >= 0 && j < SIDE) c->at[i * SIDE + j] += (float)light;
}

/* Light at a point, shared among the four pixels around it. */
static void dot(canvas *c, double x, double y, double light) {
    double fx = floor(x), fy = floor(y), u = x - fx, v = y - fy;
    int j = (int)fx, i = (int)fy;
    add(c, i, j, (1 - u) * (1 - v) * light);
    add(c, i, j + 1, u * (1 - v) * light);
    add(c, i + 1, j, (1 - u) * v * light);
    add(c, i + 1, j + 1, u * v * light);
}

/* A fibre as a path that turns little by little; labelled unevenly. `wander`: turn a step, in radians. */
static void fibre(canvas *c, scene_dice *d, double x, double y, double angle, double length, double wander,
                  double light) {
    const double step = 0.5;
    double turn = 0, patchy = scene_uniform(d, 0, 0.45);
    uint32_t field = (uint32_t)scene_whole(d, 0, 1 << 24);
    for (double s = 0; s < length; s += step) {
        double glow = 1 + patchy * scene_noise(field, s / 7, 0.5, 2, 0.7);
        dot(c, x, y, step * light * fmax(glow, 0.1));
        turn = 0.96 * turn + wander * scene_normal(d);
        angle += turn * step;
        x += step * cos(angle);
        y += step * sin(angle);
    }
}

/* From outside into the picture, towards somewhere near its middle. */
static void crossing(canvas *c, scene_dice *d, double heading, double spread, double wander, double light) {
    double angle = heading + spread * scene_normal(d), off = scene_uniform(d, -0.55, 0.55) * SIDE;
    double x = 0.5 * SIDE - off * sin(angle) - 0.85 * SIDE * cos(angle);
    double y = 0.5 * SIDE + off * cos(angle) - 0.85 * SIDE * sin(angle);
    fibre(c, d, x, y, angle, 1.7 * SIDE, wander, light);
}

static void microtubules(canvas *c, scene_dice *d) {
    int n = scene_whole(d, 3, 13);
    double heading = scene_uniform(d, 0, 2 * PI), spread = scene_log_uniform(d, 0.15, 1.5);
    for (int k = 0; k < n; k++) {
        double light = scene_log_uniform(d, 0.5, 1.2);
        if (scene_chance(d, 0.15)) { /* ends within the picture */
            fibre(c, d, scene_uniform(d, 0, SIDE), scene_uniform(d, 0, SIDE), heading + spread * scene_normal(d),
                  scene_uniform(d, 30, 90), 0.006, light);
        } else {
            crossing(c, d, heading, spread, scene_log_uniform(d, 0.002, 0.009), light);
        }
    }
}

/* A tubule between two points, bowed. */
static void tubule(canvas *c, scene_dice *d, const double *a, const double *b, double light) {
    double dx = b[0] - a[0], dy = b[1] - a[1], length = hypot(dx, dy), bow = 0.12 * length * scene_normal(d);
    uint32_t field = (uint32_t)scene_whole(d, 0, 1 << 24);
    for (double s = 0; s < length; s += 0.5) {
        double f = s / length, off = bow * sin(PI * f) / fmax(length, 1);
        double wobble = 0.7 * scene_noise(field, s / 9, 0.5, 2, 0.5) * sin(PI * f) / fmax(length, 1);
        double glow = 1 + 0.2 * scene_noise(field + 9, s / 8, 0.5, 2, 0.6);
        dot(c, a[0] + f * dx - (off + wobble) * dy, a[1] + f * dy + (off + wobble) * dx, 0.5 * light * fmax(glow, 0.2));
    }
}

/* Nodes apart from each other, joined to their nearest: each pair that no third node lies between (the relative
 * neighbourhood graph), which gives the reticulum's polygons and three-way junctions. */
static void reticulum(canvas *c, scene_dice *d) {
    double node[MOST_NODES][2], apart = scene_uniform(d, 15, 30);
    int n = 0;
    for (int k = 0; k < 600 && n < MOST_NODES; k++) {
        double x = scene_uniform(d, -0.2, 1.2) * SIDE, y = scene_uniform(d, -0.2, 1.2) * SIDE;
        int free = 1;
        for (int i = 0; i < n; i++) free = free && hypot(node[i][0] - x, node[i][1] - y) > apart;
        if (!free) continue;
        node[n][0] = x;
        node[n++][1] = y;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            double r = hypot(node[i][0] - node[j][0], node[i][1] - node[j][1]);
            int joined = r < 3.2 * apart;
            for (int k = 0; k < n && joined; k++) {
                if (k == i || k == j) continue;
                double a = hypot(node[i][0] - node[k][0], node[i][1] - node[k][1]);
                double b = hypot(node[j][0] - node[k][0], node[j][1] - node[k][1]);
                joined = fmax(a, b) > 0.92 * r;
            }
            if (joined && !scene_chance(d, 0.06)) tubule(c, d, node[i], node[j], scene_uniform(d, 0.75, 1.15));
        }
    int sheets = scene_chance(d, 0.35) ? scene_whole(d, 1, 2) : 0;
    for (int k = 0; k < sheets; k++) {
        double x = scene_uniform(d, 0, SIDE), y = scene_uniform(d, 0, SIDE), size = scene_uniform(d, 5, 14);
        uint32_t field = (uint32_t)scene_whole(d, 0, 1 << 24);
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                double r = hypot(j - x, i - y) / size + 0.3 * scene_noise(field, j / 14.0, i / 14.0, 2, 0.5);
                add(c, i, j, 0.3 / (1 + exp(8 * (r - 1))));
            }
    }
}

static void pits(canvas *c, scene_dice *d) {
    int n = scene_whole(d, 6, 34);
    for (int k = 0; k < n; k++) {
        double x = scene_uniform(d, -3, SIDE + 3), y = scene_uniform(d, -3, SIDE + 3),
               light = scene_log_uniform(d, 0.35, 1.4);
        double radius = scene_chance(d, 0.7) ? scene_uniform(d, 2.6, 5) : scene_uniform(d, 0.3, 1.6);
        double open = scene_chance(d, 0.2) ? scene_uniform(d, 0.5, 2) : 0, gap = scene_uniform(d, 0, 2 * PI);
        double flat = scene_uniform(d, 0.8, 1), turn = scene_uniform(d, 0, PI);
        for (int m = 0; m < 48; m++) {
            double a = 2 * PI * m / 48;
            if (fabs(remainder(a - gap, 2 * PI)) < 0.5 * open) continue;
            double p = radius * cos(a), q = flat * radius * sin(a);
            dot(c, x + cos(turn) * p - sin(turn) * q, y + sin(turn) * p + cos(turn) * q,
                light * (radius > 2 ? 0.13 * radius : 0.22));
        }
    }
}

static void actin(canvas *c, scene_dice *d) {
    int bundles = scene_whole(d, 2, 6), fringe = scene_whole(d, 15, 60);
    double heading = scene_uniform(d, 0, 2 * PI), spread = scene_log_uniform(d, 0.06, 0.5);
    for (int k = 0; k < bundles; k++) {
        double angle = heading + spread * scene_normal(d), off = scene_uniform(d, -0.55, 0.55) * SIDE,
               width = scene_uniform(d, 0.6, 3);
        double curve = 0.0015 * scene_normal(d), light = scene_uniform(d, 0.4, 1);
        int n = scene_whole(d, 4, 11);
        for (int m = 0; m < n; m++) {
            double o = off + width * scene_normal(d), a = angle + 0.015 * scene_normal(d);
            double x = 0.5 * SIDE - o * sin(angle) - 0.85 * SIDE * cos(angle) + scene_uniform(d, -8, 8);
            double y = 0.5 * SIDE + o * cos(angle) - 0.85 * SIDE * sin(angle);
            for (double s = 0; s < 1.8 * SIDE; s += 0.5) {
                dot(c, x, y, 0.5 * light * 0.45);
                a += 0.5 * curve;
                x += 0.5 * cos(a);
                y += 0.5 * sin(a);
            }
        }
    }
    for (int k = 0; k < fringe; k++)
        fibre(c, d, scene_uniform(d, 0, SIDE), scene_uniform(d, 0, SIDE),
              heading + (scene_chance(d, 0.4) ? 1.2 : 0.3) * scene_normal(d), scene_uniform(d, 10, 45), 0.012,
              scene_uniform(d, 0.1, 0.35));
}

static const struct family {
    const char *name;
    void (*draw)(canvas *, scene_dice *);
} families[] = {{"microtubules", microtubules}, {"reticulum", reticulum}, {"pits", pits}, {"actin", actin}};
enum { FAMILIES = sizeof families / sizeof *families };
static int only = -1; /* of the families; -1: any */

static void make(scene_dice *d, float *image) {
    static canvas c;
    memset(&c, 0, sizeof c);
    int any = scene_whole(d, 0, FAMILIES - 1);
    families[only < 0 ? any : only].draw(&c, d);
    /* out of focus light below, in focus light sharp */
    static canvas haze;
    memcpy(&haze, &c, sizeof c);
    scene_blur(haze.at, SIDE, SCALE * scene_uniform(d, 4, 8));
    scene_blur(c.at, SIDE, SCALE * scene_uniform(d, 0.95, 1.35));
    double share = scene_uniform(d, 0, 0.5);
    uint32_t field = (uint32_t)scene_whole(d, 0, 1 << 24);
    double uneven = scene_uniform(d, 0, 0.25);
    for (int i = 0; i < SCENE_SIDE; i++)
        for (int j = 0; j < SCENE_SIDE; j++) {
            double sum = 0;
            for (int k = 0; k < SCALE * SCALE; k++) {
                int at = (SCALE * i + k / SCALE) * SIDE + SCALE * j + k % SCALE;
                sum += (double)c.at[at] + share * (double)haze.at[at];
            }
            image[i * SCENE_SIDE + j] =
                (float)(sum * fmax(0.2, 1 + uneven * scene_noise(field, j / 40.0, i / 40.0, 1, 1)));
        }
}

int main(int argc, char **argv) {
    for (int i = 0; argc == 5 && i < FAMILIES; i++)
        if (strcmp(argv[4], families[i].name) == 0) only = i;
    return scene_main(only < 0 ? argc : argc - 1, argv, make);
}
