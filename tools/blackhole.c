/* Training images of black holes as an interferometer at millimetre waves might resolve them: blackhole N OUT.npy
 * [SEED]
 *
 * Not a simulation: a family of pictures that holds what simulations and observations show. A ring (the lensed edge of
 * the shadow) with a sharp inner and a soft outer flank, brighter on the side that comes towards us; a thin photon
 * ring; faint emission around it; turbulence that differential rotation has sheared, spiral arms, a hot spot now and
 * then. Each image is 64 x 64 with a field of view of 160 microarcseconds (2.5 a pixel), the brightest pixel 1, the
 * empty sky -1.
 */
#include "scenes.h"

#include <math.h>

typedef struct hole {
    double x, y, turn, squash;            /* centre in pixels, and the ellipse of its rings */
    double radius, inner, outer, tail;    /* of the ring: its crest, both flanks, and the weight of a wide outer tail */
    double thin, thin_radius, thin_width; /* the photon ring */
    double boost, boost_angle, boost_power, boost_fall; /* Doppler */
    double disc, disc_size, disc_x, disc_y;             /* faint emission around it */
    double rough, grain, shear; /* turbulence: strength, size, and how far rotation carried it */
    double arms, pitch, arm_angle;
    int arm_count;
    double spot, spot_radius, spot_angle, spot_size;
    uint32_t field;
} hole;

static void draw_ring(scene_dice *d, hole *h) {
    h->radius = scene_uniform(d, 6, 13.5);
    h->x = 31.5 + 1.6 * scene_normal(d);
    h->y = 31.5 + 1.6 * scene_normal(d);
    h->turn = scene_uniform(d, 0, 3.14159265);
    h->squash = 1 + fabs(0.07 * scene_normal(d));
    h->inner = h->radius * scene_log_uniform(d, 0.07, 0.28);
    h->outer = h->inner * scene_log_uniform(d, 1, 3.2);
    h->tail = scene_uniform(d, 0, 0.35);
    h->thin = scene_chance(d, 0.6) ? scene_uniform(d, 0.1, 0.9) : 0;
    h->thin_radius = h->radius * scene_uniform(d, 0.88, 1.02);
    h->thin_width = scene_uniform(d, 0.5, 1);
}

static void draw_light(scene_dice *d, hole *h) {
    h->boost = scene_chance(d, 0.12) ? scene_uniform(d, 0, 0.15) : scene_uniform(d, 0.15, 0.8);
    h->boost_angle = scene_uniform(d, 0, 6.2831853);
    h->boost_power = scene_uniform(d, 1.5, 3.5);
    h->boost_fall = scene_uniform(d, 0, 1.2);
    h->disc = scene_chance(d, 0.8) ? scene_log_uniform(d, 0.02, 0.35) : 0;
    h->disc_size = h->radius * scene_uniform(d, 1.1, 2.2);
    h->disc_x = 0.25 * h->radius * scene_normal(d);
    h->disc_y = 0.25 * h->radius * scene_normal(d);
}

static void draw_structure(scene_dice *d, hole *h) {
    double sense = scene_chance(d, 0.5) ? 1 : -1;
    h->rough = scene_chance(d, 0.85) ? scene_uniform(d, 0.1, 0.75) : 0.05;
    h->grain = scene_uniform(d, 3.5, 9);
    h->shear = sense * scene_uniform(d, 0.3, 2.6);
    h->arms = scene_chance(d, 0.55) ? scene_uniform(d, 0.2, 0.9) : 0;
    h->arm_count = scene_whole(d, 1, 3);
    h->pitch = sense * scene_uniform(d, 2, 5.5);
    h->arm_angle = scene_uniform(d, 0, 6.2831853);
    h->spot = scene_chance(d, 0.2) ? scene_uniform(d, 0.3, 1.2) : 0;
    h->spot_radius = h->radius * scene_uniform(d, 0.95, 1.5);
    h->spot_angle = scene_uniform(d, 0, 6.2831853);
    h->spot_size = scene_uniform(d, 1, 2.2);
    h->field = (uint32_t)(scene_uniform(d, 0, 1) * 16777216);
}

static double bell(double x, double width) {
    return exp(-0.5 * x * x / (width * width));
}

/* Brightness at (x, y) from the centre, in the frame of the ellipse. */
static double brightness(const hole *h, double x, double y) {
    double r = sqrt(x * x + y * y) + 1e-6, angle = atan2(y, x), off = r - h->radius;
    double side = cos(angle - h->boost_angle);
    /* approaching matter is beamed, more so near the hole */
    double beam =
        pow(fmax(0.02, 1 + h->boost * pow(h->radius / fmax(r, h->radius), h->boost_fall) * side), h->boost_power);
    double ring =
        off < 0 ? bell(off, h->inner) : (1 - h->tail) * bell(off, h->outer) + h->tail * exp(-off / (1.8 * h->outer));
    double winding = h->shear * 2 * pow(h->radius / fmax(r, 0.4 * h->radius), 1.5); /* Kepler's law */
    double c = cos(winding), s = sin(winding);
    double g = scene_noise(h->field, (c * x - s * y) / h->grain + 40, (s * x + c * y) / h->grain + 40, 3, 0.6);
    double texture = exp(h->rough * g - 0.5 * h->rough * h->rough);
    double wave = cos(h->arm_count * (angle - h->arm_angle) - h->pitch * log(r / h->radius));
    double far = 1 - bell(r, h->radius); /* arms stand out away from the ring */
    double arm = 1 + h->arms * far * (wave * fabs(wave) + 0.3 * wave);
    double dx = x - h->disc_x, dy = y - h->disc_y;
    double shadow = 1 / (1 + exp(-(r - 0.8 * h->radius) / (0.12 * h->radius + 0.3)));
    double disc = h->disc * exp(-sqrt(dx * dx + dy * dy) / h->disc_size) * 2.2 * (0.25 + 0.75 * shadow);
    double sx = x - h->spot_radius * cos(h->spot_angle), sy = y - h->spot_radius * sin(h->spot_angle);
    double spot = h->spot * bell(sqrt(sx * sx + sy * sy), h->spot_size);
    return beam * (texture * arm * (ring + disc) + h->thin * bell(r - h->thin_radius, h->thin_width)) + spot;
}

static void make(scene_dice *d, float *image) {
    hole h = {0};
    draw_ring(d, &h);
    draw_light(d, &h);
    draw_structure(d, &h);
    double blur = scene_uniform(d, 0.7, 1.3), c = cos(h.turn), s = sin(h.turn);
    for (int i = 0; i < SCENE_SIDE; i++)
        for (int j = 0; j < SCENE_SIDE; j++) {
            double x = j - h.x, y = i - h.y;
            image[i * SCENE_SIDE + j] = (float)brightness(&h, c * x + s * y, (c * y - s * x) * h.squash);
        }
    /* nothing at the edge: a field of view is chosen so */
    for (int i = 0; i < SCENE_SIDE; i++)
        for (int j = 0; j < SCENE_SIDE; j++) {
            double r = hypot(i - 31.5, j - 31.5);
            image[i * SCENE_SIDE + j] *= (float)(1 / (1 + exp((r - 27) / 1.6)));
        }
    scene_blur(image, SCENE_SIDE, blur);
}

int main(int argc, char **argv) {
    return scene_main(argc, argv, make);
}
