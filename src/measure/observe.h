/* Simulated observations: where the Earth turns an array's baselines, which stations see the source, and what they
 * measure.
 *
 *     u = bx sin H + by cos H,   v = -bx cos H sin(dec) + by sin H sin(dec) + bz cos(dec),   b = (r_1 - r_2)/lambda, H
 * = GST - RA V' = g_1 conj(g_2) V + sigma n,   sigma = sqrt(SEFD_1 SEFD_2/(2 B tau))/(0.88 sqrt 2), of the real and the
 * imaginary part
 *
 * (Thompson, Moran and Swenson 2017, chapters 4 and 6; 0.88: two-bit sampling.) Gains g: constant and scan-wise errors
 * of the amplitude, and a phase that is new at each time, as the atmosphere makes it; then only closure quantities
 * survive. */
#ifndef PNB_MEASURE_OBSERVE_H
#define PNB_MEASURE_OBSERVE_H

#include "measure/vlbi.h"

typedef struct pnb_observing {
    double start, stop;            /* UTC hours of the day data.mjd */
    double interval, integration;  /* seconds between the starts of records, and of each record */
    double elevation[2];           /* degrees: stations observe between these */
    double gain_offset, gain_scan; /* standard deviations of the amplitude's constant and time-wise relative errors */
    bool phases;                   /* a random phase for each station and time */
    bool thermal;                  /* add the noise; its sigma is noted in any case */
    uint64_t seed;
} pnb_observing;

/* d: stations with positions and SEFDs, ra, dec, mjd, frequency and bandwidth are set, and no records. Appends records
 * of the image in Jy. No baseline that sees the source: PNB_ERROR_INPUT. */
pnb_status pnb_observe(pnb_error *err, const pnb_observing *o, const pnb_sky_grid *grid, const double *jy,
                       pnb_uvdata *d);

/* Stations from lines "name,x,y,z,sefd" (geocentric metres, Jy), '#' begins a comment. A bad line: PNB_ERROR_INPUT. */
pnb_status pnb_stations_read(pnb_error *err, const char *path, pnb_uvdata *d);

#endif
