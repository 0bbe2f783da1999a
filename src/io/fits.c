/* FITS images, written and read by cfitsio in memory. */
#include "io/fits.h"

#include "base/file.h"
#include "io/cfitsio.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef PNB_CFITSIO

pnb_status pnb_fits_write_image(pnb_error *err, const char *path, uint32_t planes, uint32_t height, uint32_t width,
                                const float *data, const pnb_fits_sky *sky) {
    (void)planes, (void)height, (void)width, (void)data, (void)sky;
    return pnb_fits_absent(err, path);
}

pnb_status pnb_fits_read_image(pnb_error *err, const char *path, pnb_array *out, double *pixel_uas) {
    (void)out, (void)pixel_uas;
    return pnb_fits_absent(err, path);
}

#else

enum { FILE_LIMIT = 1 << 30 };
static const double DEGREE_OF_UAS = 1 / 3600e6;

static void write_header(pnb_fits_file *f, uint32_t planes, uint32_t height, uint32_t width, const pnb_fits_sky *s) {
    double pixel = s->pixel_uas * DEGREE_OF_UAS;
    pnb_fits_put_text(f, "OBJECT", 0, s->object ? s->object : "");
    pnb_fits_put_text(f, "BUNIT", 0, s->unit);
    pnb_fits_put_text(f, "CTYPE1", 0, "RA---SIN");
    pnb_fits_put_number(f, "CRVAL1", 0, isfinite(s->ra) ? s->ra : 0, "degrees");
    pnb_fits_put_number(f, "CRPIX1", 0, 0.5 * width + 0.5, NULL);
    pnb_fits_put_number(f, "CDELT1", 0, -pixel, "degrees, east to the left");
    pnb_fits_put_text(f, "CUNIT1", 0, "deg");
    pnb_fits_put_text(f, "CTYPE2", 0, "DEC--SIN");
    pnb_fits_put_number(f, "CRVAL2", 0, isfinite(s->dec) ? s->dec : 0, "degrees");
    pnb_fits_put_number(f, "CRPIX2", 0, 0.5 * height + 0.5, NULL);
    pnb_fits_put_number(f, "CDELT2", 0, pixel, "degrees");
    pnb_fits_put_text(f, "CUNIT2", 0, "deg");
    if (planes) pnb_fits_put_text(f, "CTYPE3", 0, "SAMPLE");
    pnb_fits_put_text(f, "RADESYS", 0, "ICRS");
    pnb_fits_put_number(f, "EQUINOX", 0, 2000, NULL);
    pnb_fits_put_number(f, "PIXUAS", 0, s->pixel_uas, "side of a pixel, micro-arcseconds");
    if (s->frequency > 0) pnb_fits_put_number(f, "FREQ", 0, s->frequency, "Hz");
    if (s->mjd > 0) pnb_fits_put_number(f, "MJD-OBS", 0, s->mjd, NULL);
    if (s->beam_uas[0] > 0) {
        pnb_fits_put_number(f, "BMAJ", 0, s->beam_uas[0] * DEGREE_OF_UAS, "degrees, full width at half maximum");
        pnb_fits_put_number(f, "BMIN", 0, s->beam_uas[1] * DEGREE_OF_UAS, "degrees, full width at half maximum");
        pnb_fits_put_number(f, "BPA", 0, s->beam_angle, "degrees east of north");
    }
}

pnb_status pnb_fits_write_image(pnb_error *err, const char *path, uint32_t planes, uint32_t height, uint32_t width,
                                const float *data, const pnb_fits_sky *sky) {
    pnb_fits_file f;
    long size[3] = {width, height, planes};
    uint64_t rows = (uint64_t)(planes ? planes : 1) * height;
    for (uint64_t i = 0; i < rows * width; i++) {
        if (!isfinite(data[i])) {
            return pnb_fail(err, PNB_ERROR_NUMERIC, "'%s': not written: element %llu is not finite", path,
                            (unsigned long long)i);
        }
    }
    PNB_TRY(pnb_fits_create(err, &f));
    fits_create_img(f.fits, FLOAT_IMG, planes ? 3 : 2, size, &f.status);
    write_header(&f, planes, height, width, sky);
    for (uint64_t r = 0; r < rows; r++) { /* the file's rows go northwards */
        const float *row = data + (r / height * height + height - 1 - r % height) * width;
        fits_write_img(f.fits, TFLOAT, (LONGLONG)(r * width) + 1, width, (float *)row, &f.status);
    }
    return pnb_fits_finish(err, &f, path);
}

static void turn_over(float *data, uint64_t planes, uint64_t height, uint64_t width) {
    for (uint64_t p = 0; p < planes; p++, data += height * width) {
        for (uint64_t r = 0; r < height / 2; r++) {
            for (uint64_t c = 0; c < width; c++) {
                float *a = data + r * width + c, *b = data + (height - 1 - r) * width + c, kept = *a;
                *a = *b;
                *b = kept;
            }
        }
    }
}

static pnb_status read_pixels(pnb_error *err, const char *path, pnb_fits_file *f, size_t bytes, pnb_array *out) {
    int axes = 0, bitpix = 0, any;
    LONGLONG size[8] = {0};
    uint64_t shape[3];
    uint32_t rank = 0;
    fits_get_img_paramll(f->fits, 8, &bitpix, &axes, size, &f->status);
    if (f->status) return pnb_fits_fail(err, f, path);
    PNB_TRY(pnb_fits_whole(err, f, path));
    bool ok = axes >= 2 && axes <= 8 && bitpix;
    uint64_t count = 1;
    for (int i = axes - 1; ok && i >= 0; i--) { /* the slowest first; axes of 1 above the plane are left out */
        ok = size[i] >= 1 && (uint64_t)size[i] <= bytes && count * (uint64_t)size[i] <= bytes &&
             (i < 2 || size[i] == 1 || rank == 0);
        if (ok && (i < 2 || size[i] > 1)) shape[rank++] = (uint64_t)size[i];
        if (ok) count *= (uint64_t)size[i];
    }
    if (!ok || count * (uint64_t)abs(bitpix) / 8 > bytes) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "'%s': expected a FITS image of two or three dimensions that fits its %zu bytes", path, bytes);
    }
    PNB_TRY(pnb_array_create(err, path, rank, shape, out));
    fits_read_img(f->fits, TFLOAT, 1, (LONGLONG)count, NULL, out->data, &any, &f->status);
    if (f->status) return pnb_fits_fail(err, f, path);
    turn_over(out->data, rank == 3 ? shape[0] : 1, shape[rank - 2], shape[rank - 1]);
    return PNB_OK;
}

pnb_status pnb_fits_read_image(pnb_error *err, const char *path, pnb_array *out, double *pixel_uas) {
    void *bytes;
    size_t size;
    pnb_fits_file f;
    int missing = 0;
    double step = 0;
    *out = (pnb_array){0};
    PNB_TRY(pnb_file_read(err, path, FILE_LIMIT, &bytes, &size));
    pnb_status status = pnb_fits_open(err, bytes, size, &f);
    free(bytes);
    if (status != PNB_OK) return pnb_error_prefix(err, "'%s': ", path);
    fits_read_key(f.fits, TDOUBLE, "CDELT2", &step, NULL, &missing);
    if (pixel_uas) *pixel_uas = missing || !isfinite(step) ? 0 : fabs(step) / DEGREE_OF_UAS;
    status = read_pixels(err, path, &f, size, out);
    pnb_fits_close(&f);
    if (status != PNB_OK) pnb_array_free(out);
    return status;
}

#endif
