/* What the makers of training images share: random numbers by image and use, smooth noise, and the file that comes out.
 *
 * A maker draws image i from (seed, i) alone, so a longer file begins with a shorter one.
 */
#ifndef PNB_TOOLS_SCENES_H
#define PNB_TOOLS_SCENES_H

#include <stddef.h>
#include <stdint.h>

enum { SCENE_SIDE = 64 };

/* One image's random numbers, taken one after the other. */
typedef struct scene_dice {
    uint64_t seed;
    uint32_t image, used;
} scene_dice;

double scene_uniform(scene_dice *d, double low, double high);
double scene_log_uniform(scene_dice *d, double low, double high); /* even in the logarithm */
double scene_normal(scene_dice *d);
int scene_chance(scene_dice *d, double probability);
int scene_whole(scene_dice *d, int low, int high); /* both inclusive */

/* Fractal noise at a point: octaves of gradient noise, each twice as fine and `gain` times as strong as the one before;
 * about N(0,1). `key` names the field. */
double scene_noise(uint32_t key, double x, double y, int octaves, double gain);

/* Convolves [SCENE_SIDE * scale]^2 values with a Gaussian of standard deviation sigma pixels; outside is 0. */
void scene_blur(float *image, int side, double sigma);

/* The whole program: reads "N OUT.npy [SEED]", calls make for each image ([SCENE_SIDE]^2 values of any scale, not
 * negative), divides by the largest value, maps to [-1,1] and writes [N,SCENE_SIDE,SCENE_SIDE] as float32. Returns the
 * exit code. */
int scene_main(int argc, char **argv, void (*make)(scene_dice *dice, float *image));

#endif
