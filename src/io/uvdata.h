/* Visibilities of an interferometer: one record a baseline and time, from UVFITS or the EHT's CSV, whatever their
 * conventions.
 *
 * V(u,v) = sum of I(l,m) exp(+2 pi i (u l + v m)), l to the east and m to the north in radians, u and v in wavelengths
 * for the baseline r_first - r_second. Values are Stokes I in Jy; sigma is the thermal error of the real and of the
 * imaginary part. Records are ordered by time, then stations; in each the first station has the lower index (others are
 * conjugated on reading). What cannot be used (flagged, not finite, no error) is left out and counted.
 */
#ifndef PNB_IO_UVDATA_H
#define PNB_IO_UVDATA_H

#include "base/status.h"

#include <stdbool.h>

enum { PNB_UV_MAX_STATIONS = 255, PNB_UV_NAME_SIZE = 9, PNB_UV_MAX_RECORDS = 1 << 24 };

typedef struct pnb_uv_station {
    char name[PNB_UV_NAME_SIZE];
    double position[3]; /* geocentric, metres; all 0: not known (CSV) */
    double sefd;        /* Jy; 0: not known */
} pnb_uv_station;

typedef struct pnb_uv_record {
    double hours;        /* UTC since 0 h of the day `mjd` */
    double seconds;      /* integration; 0: not known */
    uint32_t station[2]; /* indices, ascending */
    double u, v;         /* wavelengths */
    double re, im;       /* Jy */
    double sigma;        /* Jy, > 0 */
    uint32_t group;      /* records of one group belong to one time (pnb_uvdata_group) */
} pnb_uv_record;

/* Plain memory: zero-initialise it, free it with pnb_uvdata_free. */
typedef struct pnb_uvdata {
    char source[32];
    double ra, dec;   /* degrees, J2000; NAN: not known (CSV) */
    double mjd;       /* whole days */
    double frequency; /* Hz */
    double bandwidth; /* Hz; 0: not known (CSV) */
    pnb_uv_station *stations;
    uint32_t n_stations;
    pnb_uv_record *records;
    uint32_t count, room, groups;
    struct {
        uint32_t flagged;          /* weight or sigma of 0 or less */
        uint32_t not_finite;       /* NaN or infinite value, coordinate, time or error */
        uint32_t own;              /* a station with itself */
        uint32_t intrasite, faint; /* left out on request: pnb_uv_selection */
    } dropped;
} pnb_uvdata;

void pnb_uvdata_free(pnb_uvdata *d);

/* By what the file holds: UVFITS (it begins with "SIMPLE"; needs a build with cfitsio) or EHT CSV (it begins with '#').
 * Damaged, empty or unknown: PNB_ERROR_INPUT. On failure *out is all zero. */
pnb_status pnb_uvdata_read(pnb_error *err, const char *path, pnb_uvdata *out);
/* The same from memory; name stands for the file in sentences. */
pnb_status pnb_uvdata_parse(pnb_error *err, const char *name, const void *bytes, size_t size, pnb_uvdata *out);
/* UVFITS where path ends in .uvfits or .fits, otherwise CSV, which keeps neither positions nor the source's
 * coordinates. */
pnb_status pnb_uvdata_write(pnb_error *err, const char *path, const pnb_uvdata *d);

/* Which records, and how they are averaged. */
typedef struct pnb_uv_selection {
    bool scan_average; /* coherent mean over each scan and baseline, weighted by 1/sigma^2 */
    double scan_gap;   /* seconds without a record between scans */
    bool intrasite; /* keep baselines below intrasite_length, which see emission that an image of the core does not hold
                     */
    double intrasite_length; /* wavelengths */
    double least_snr;        /* records below |V|/sigma = this are left out, after averaging */
} pnb_uv_selection;
#define PNB_UV_SELECTION_DEFAULTS                                                                                      \
    { true, 60, true, 1e7, 0 }
/* In place. Nothing left: PNB_ERROR_INPUT with what took it. */
pnb_status pnb_uvdata_select(pnb_error *err, pnb_uvdata *d, const pnb_uv_selection *s);

/* ---- for readers and simulations ---- */

/* The station's index, added where it is new. A name over 8 characters, or over PNB_UV_MAX_STATIONS: PNB_ERROR_INPUT.
 */
pnb_status pnb_uvdata_station(pnb_error *err, pnb_uvdata *d, const char *name, uint32_t *index);
/* Appends a record, conjugated where its stations descend; counts and leaves out what cannot be used. */
pnb_status pnb_uvdata_add(pnb_error *err, pnb_uvdata *d, const pnb_uv_record *r);
/* Orders the records and numbers the groups: a pause of more than `gap` seconds begins a new one. */
void pnb_uvdata_group(pnb_uvdata *d, double gap);

#endif
