/* Poisson counts by counter: the same numbers on every host for the same seed. */
#ifndef PNB_BASE_POISSON_H
#define PNB_BASE_POISSON_H

#include <stdint.h>

/* A count of this mean (0 to 1e15), named by (seed, stream, element) as the numbers of philox.h are and independent of these.
 * Below a mean of 10 by inversion, else by transformed rejection with squeeze (PTRS; Hoermann, "The transformed rejection method
 * for generating Poisson random variables", Insurance: Mathematics and Economics 12, 1993): exact to the rounding of 32-bit
 * uniforms. Means of 0 or less, and what is no number, give 0. */
double pnb_poisson(uint64_t seed, uint32_t stream, uint32_t element, double mean);

#endif
