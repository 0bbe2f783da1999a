/* The EHT's CSV of visibilities, as its data releases have it.
 *
 *     #SRC:M87,DATE(MJD):57848,FREQ:227.0707GHz
 *     #time(UTC),T1,T2,U(lambda),V(lambda),Iamp(Jy),Iphase(d),Isigma(Jy)
 *     00.76805556,AA,PV,-4361512960.0000,-4470103552.0000,0.15033433,172.4572,0.00471922
 *
 * Hours of the day, two stations, wavelengths, amplitude (not debiased), degrees, error of the real part. It holds
 * neither the source's coordinates nor positions of stations, bandwidth or integration time. */
#ifndef PNB_IO_EHT_CSV_H
#define PNB_IO_EHT_CSV_H

#include "io/uvdata.h"

/* Appends to *out, which is empty. A line that does not follow the format: PNB_ERROR_INPUT that names it. */
pnb_status pnb_eht_csv_parse(pnb_error *err, const char *text, size_t size, pnb_uvdata *out);
/* Atomically; numbers in their shortest form that reads back as the same. */
pnb_status pnb_eht_csv_write(pnb_error *err, const char *path, const pnb_uvdata *d);

#endif
