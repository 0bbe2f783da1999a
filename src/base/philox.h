/* Random numbers by counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * shaders/lib/philox.glsl is the same arithmetic: the integers and the uniform numbers are equal bit for bit on every device,
 * the normal ones to 1e-6. A number is named by (seed, stream, step, element): key = seed, counter = (element / 4, step,
 * stream, 0), word = element % 4; so a draw depends neither on order nor on how a batch is split. */
#ifndef PNB_BASE_PHILOX_H
#define PNB_BASE_PHILOX_H

#include <stddef.h>
#include <stdint.h>

void pnb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Of one word: uniform in [0,1), a multiple of 2^-24. */
float pnb_uniform(uint32_t word);
/* Of four words: four N(0,1), by Box-Muller from words (0,1) and (2,3). At most 5.8 in size. */
void pnb_normal4(const uint32_t words[4], float out[4]);

/* Elements first .. first+count-1 of a stream. first < 2^34. */
void pnb_fill_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t first, float *out, size_t count);
void pnb_fill_normal(uint64_t seed, uint32_t stream, uint32_t step, uint64_t first, float *out, size_t count);

#endif
