/* TIFF through libtiff, from and to memory: sizes are checked before anything is allocated, complaints become sentences. */
#include "io/tiff.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pnb_tiff_magic(const unsigned char *b, size_t size) {
    return size >= 4 && (memcmp(b, "II*\0", 4) == 0 || memcmp(b, "MM\0*", 4) == 0 || memcmp(b, "II+\0", 4) == 0 ||
                         memcmp(b, "MM\0+", 4) == 0);
}

#ifdef PNB_LIBTIFF

#include <stdarg.h>
#include <tiffio.h>

enum { MAX_SIDE = 1 << 16, MAX_BYTES = 1 << 30, MAX_ALLOCATION = 1 << 28 };

#define BAD(f, ...) pnb_fail((f)->err, PNB_ERROR_INPUT, __VA_ARGS__)

/* A file in memory, as libtiff sees it, and its latest complaint. */
typedef struct tiff_file {
    pnb_error *err;
    const char *name;
    TIFF *tiff;
    const unsigned char *in; /* of a file that is read */
    unsigned char *out;      /* of one that is written; owned */
    size_t size, room, at;
    bool no_memory;
    char complaint[256];
} tiff_file;

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t n) {
    tiff_file *f = handle;
    const unsigned char *from = f->in ? f->in : f->out;
    size_t left = f->at < f->size ? f->size - f->at : 0, count = (size_t)n < left ? (size_t)n : left;
    if (count) memcpy(to, from + f->at, count);
    f->at += count;
    return (tmsize_t)count;
}

static tmsize_t write_bytes(thandle_t handle, void *from, tmsize_t n) {
    tiff_file *f = handle;
    size_t end = f->at + (size_t)n;
    if (f->in) return -1;
    if (end > f->room) {
        size_t room = 2 * f->room + (size_t)n + 4096;
        if (room < end) room = end;
        unsigned char *more = realloc(f->out, room);
        if (!more) {
            f->no_memory = true;
            return -1;
        }
        f->out = more;
        f->room = room;
    }
    if (f->at > f->size) memset(f->out + f->size, 0, f->at - f->size);
    memcpy(f->out + f->at, from, (size_t)n);
    f->at = end;
    if (end > f->size) f->size = end;
    return n;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    tiff_file *f = handle;
    f->at = (size_t)offset + (whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->size : 0);
    return f->at;
}

static int close_file(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle) {
    return ((tiff_file *)handle)->size;
}

static int complain(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
    tiff_file *f = user;
    (void)tiff;
    (void)module;
    if (!f->complaint[0]) vsnprintf(f->complaint, sizeof f->complaint, format, args);
    for (char *c = f->complaint; *c; c++) {
        if ((unsigned char)*c < ' ') *c = ' ';
    }
    return 1;
}

static int ignore(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static pnb_status open_memory(tiff_file *f, const char *mode) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return pnb_fail(f->err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory", f->name);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_ALLOCATION);
    TIFFOpenOptionsSetErrorHandlerExtR(options, complain, f);
    TIFFOpenOptionsSetWarningHandlerExtR(options, ignore, f);
    f->tiff = TIFFClientOpenExt("memory", mode, f, read_bytes, write_bytes, seek, close_file, size_of, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return f->tiff ? PNB_OK : BAD(f, "file '%s': not a TIFF that can be read (%s)", f->name, f->complaint);
}

/* ---- one page's header ------------------------------------------------------------------------------------------- */

typedef struct page {
    uint32_t width, height, samples, bits, format, planar, colours;
    bool white_is_zero;
} page;

static pnb_status check_kind(tiff_file *f, uint32_t number, const page *p, uint32_t photometric, uint32_t compression) {
    bool floats = p->format == SAMPLEFORMAT_IEEEFP, integer = p->format == SAMPLEFORMAT_UINT || p->format == SAMPLEFORMAT_INT;
    bool known = (integer && (p->bits == 8 || p->bits == 16 || p->bits == 32)) || (floats && (p->bits == 32 || p->bits == 64));
    if (!known)
        return BAD(f, "file '%s': page %u: samples of %u bits and format %u; expected 8, 16 or 32 bit integers, 32 or 64 bit floats",
                   f->name, number, p->bits, p->format);
    if (photometric != PHOTOMETRIC_MINISBLACK && photometric != PHOTOMETRIC_MINISWHITE && photometric != PHOTOMETRIC_RGB)
        return BAD(f, "file '%s': page %u: neither grey nor RGB (photometric %u): convert it", f->name, number, photometric);
    if ((photometric == PHOTOMETRIC_RGB ? p->samples != 3 && p->samples != 4 : p->samples != 1 && p->samples != 2))
        return BAD(f, "file '%s': page %u: %u samples a pixel; expected 1 (grey) or 3 (RGB), or one more for alpha", f->name, number,
                   p->samples);
    if (compression != COMPRESSION_NONE && compression != COMPRESSION_LZW && compression != COMPRESSION_ADOBE_DEFLATE &&
        compression != COMPRESSION_DEFLATE && compression != COMPRESSION_PACKBITS)
        return BAD(f, "file '%s': page %u: compression %u is not read: save it plain, with LZW or with deflate", f->name, number,
                   compression);
    return PNB_OK;
}

static pnb_status read_header(tiff_file *f, uint32_t number, page *p) {
    uint16_t samples = 1, bits = 1, format = SAMPLEFORMAT_UINT, planar = PLANARCONFIG_CONTIG, photometric = 0xffff, compression = 1;
    *p = (page){0};
    if (!TIFFGetField(f->tiff, TIFFTAG_IMAGEWIDTH, &p->width) || !TIFFGetField(f->tiff, TIFFTAG_IMAGELENGTH, &p->height))
        return BAD(f, "file '%s': page %u has no size", f->name, number);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetField(f->tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    p->samples = samples;
    p->bits = bits;
    p->format = format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : format;
    p->planar = planar;
    p->white_is_zero = photometric == PHOTOMETRIC_MINISWHITE;
    p->colours = photometric == PHOTOMETRIC_RGB ? 3 : 1;
    if (p->width == 0 || p->height == 0 || p->width > MAX_SIDE || p->height > MAX_SIDE)
        return BAD(f, "file '%s': page %u: %u x %u pixels; expected 1 to %d each way", f->name, number, p->width, p->height, MAX_SIDE);
    return check_kind(f, number, p, photometric, compression);
}

/* What deflate and LZW can make of a byte, at most: a file is not believed beyond that. */
static pnb_status check_claim(tiff_file *f, const page *p, uint64_t pages) {
    enum { MOST = 3000 };
    uint64_t values = (uint64_t)p->width * p->height * p->samples * pages;
    if (values > PNB_TIFF_MAX_VALUES)
        return BAD(f, "file '%s': %llu pages of %u x %u pixels are more than the %d values that are read", f->name,
                   (unsigned long long)pages, p->width, p->height, PNB_TIFF_MAX_VALUES);
    if (values * (p->bits / 8) / MOST > f->size)
        return BAD(f, "file '%s': %zu bytes cannot hold %llu pages of %u x %u pixels: damaged or cut short", f->name, f->size,
                   (unsigned long long)pages, p->width, p->height);
    return PNB_OK;
}

/* Headers of all pages, which must agree. */
static pnb_status read_headers(tiff_file *f, page *first, uint64_t *pages) {
    page p;
    *pages = 0;
    do {
        PNB_TRY(read_header(f, (uint32_t)*pages + 1, &p));
        if (*pages == 0) *first = p;
        if (p.width != first->width || p.height != first->height || p.samples != first->samples || p.bits != first->bits ||
            p.format != first->format || p.colours != first->colours)
            return BAD(
                f,
                "file '%s': page %llu is %u x %u with %u samples of %u bits, the first %u x %u with %u of %u: expected pages of one kind",
                f->name, (unsigned long long)*pages + 1, p.width, p.height, p.samples, p.bits, first->width, first->height, first->samples,
                first->bits);
        if (++*pages > PNB_TIFF_MAX_PAGES) return BAD(f, "file '%s': more than %d pages", f->name, PNB_TIFF_MAX_PAGES);
        PNB_TRY(check_claim(f, first, *pages));
    } while (TIFFReadDirectory(f->tiff));
    /* The end of the chain is no complaint; a directory that cannot be read is. */
    return f->complaint[0] ? BAD(f, "file '%s': damaged behind page %llu (%s)", f->name, (unsigned long long)*pages, f->complaint) : PNB_OK;
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static double value_at(const page *p, const unsigned char *raw, size_t i) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        float f32;
        double f64;
    } v;
    size_t bytes = p->bits / 8;
    memcpy(&v, raw + i * bytes, bytes);
    if (p->format == SAMPLEFORMAT_IEEEFP) return bytes == 4 ? (double)v.f32 : v.f64;
    if (p->format == SAMPLEFORMAT_INT) return bytes == 1 ? v.i8 : bytes == 2 ? v.i16 : v.i32;
    return bytes == 1 ? v.u8 : bytes == 2 ? v.u16 : v.u32;
}

/* A block of raw samples [rows][columns][step], of which those of plane `plane` (all planes where contiguous) go to out [C,H,W]. */
static pnb_status place(tiff_file *f, const page *p, uint32_t number, const unsigned char *raw, uint32_t top, uint32_t left, uint32_t rows,
                        uint32_t columns, uint32_t stride, uint32_t plane, float *out) {
    bool contiguous = p->planar == PLANARCONFIG_CONTIG;
    uint32_t step = contiguous ? p->samples : 1, first = contiguous ? 0 : plane, last = contiguous ? p->colours : plane + 1;
    for (uint32_t c = first; c < last && c < p->colours; c++) {
        for (uint32_t i = 0; i < rows; i++) {
            for (uint32_t j = 0; j < columns; j++) {
                double v = value_at(p, raw, ((size_t)i * stride + j) * step + (contiguous ? c : 0));
                float narrow = (float)v;
                if (!isfinite(narrow))
                    return BAD(f, "file '%s': page %u, row %u, column %u is %g: expected finite values", f->name, number, top + i, left + j,
                               v);
                out[((size_t)c * p->height + top + i) * p->width + left + j] = narrow;
            }
        }
    }
    return PNB_OK;
}

static uint32_t least_of(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Reads strips, or tiles, each into raw and on into out. */
static pnb_status read_blocks(tiff_file *f, const page *p, uint32_t number, unsigned char *raw, size_t raw_bytes, uint32_t block_height,
                              uint32_t block_width, bool tiled, float *out) {
    uint32_t planes = p->planar == PLANARCONFIG_CONTIG ? 1 : p->colours;
    size_t sample = p->bits / 8 * (p->planar == PLANARCONFIG_CONTIG ? p->samples : 1u);
    for (uint32_t plane = 0; plane < planes; plane++) {
        for (uint32_t top = 0; top < p->height; top += block_height) {
            for (uint32_t left = 0; left < p->width; left += block_width) {
                uint32_t rows = least_of(block_height, p->height - top), columns = least_of(block_width, p->width - left);
                uint32_t stride = tiled ? block_width : p->width;
                size_t want = ((size_t)(tiled ? block_height : rows) * stride) * sample;
                if (want > raw_bytes) return BAD(f, "file '%s': page %u: its blocks do not fit their own header", f->name, number);
                tmsize_t got =
                    tiled ? TIFFReadEncodedTile(f->tiff, TIFFComputeTile(f->tiff, left, top, 0, (uint16_t)plane), raw, (tmsize_t)want)
                          : TIFFReadEncodedStrip(f->tiff, TIFFComputeStrip(f->tiff, top, (uint16_t)plane), raw, (tmsize_t)want);
                if (got < 0 || (size_t)got < want)
                    return BAD(f, "file '%s': page %u: cut short or damaged at row %u (%s)", f->name, number, top,
                               f->complaint[0] ? f->complaint : "too few bytes");
                PNB_TRY(place(f, p, number, raw, top, left, rows, columns, stride, plane, out));
            }
        }
    }
    return PNB_OK;
}

static pnb_status read_page(tiff_file *f, const page *p, uint32_t number, float *out) {
    uint32_t block_height = 0, block_width = p->width;
    bool tiled = TIFFIsTiled(f->tiff) != 0;
    if (tiled) {
        if (!TIFFGetField(f->tiff, TIFFTAG_TILEWIDTH, &block_width) || !TIFFGetField(f->tiff, TIFFTAG_TILELENGTH, &block_height))
            block_height = 0;
    } else {
        TIFFGetFieldDefaulted(f->tiff, TIFFTAG_ROWSPERSTRIP, &block_height);
        block_height = least_of(block_height, p->height); /* 2^32 - 1: one strip */
    }
    tmsize_t bytes = tiled ? TIFFTileSize(f->tiff) : TIFFStripSize(f->tiff);
    if (block_height == 0 || block_width == 0 || block_height > MAX_SIDE || block_width > MAX_SIDE || bytes <= 0 || bytes > MAX_ALLOCATION)
        return BAD(f, "file '%s': page %u: blocks of %u x %u pixels: damaged", f->name, number, block_width, block_height);
    unsigned char *raw = calloc((size_t)bytes, 1);
    if (!raw) return pnb_fail(f->err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for %lld bytes", f->name, (long long)bytes);
    pnb_status status = read_blocks(f, p, number, raw, (size_t)bytes, block_height, block_width, tiled, out);
    free(raw);
    return status;
}

/* ---- what it says of itself -------------------------------------------------------------------------------------- */

/* Nanometres of a unit's name; 0: not known. "\xc2\xb5" and "\xb5" are the micro sign in UTF-8 and in Latin 1. */
static double nanometres(const char *unit) {
    static const struct {
        const char *name;
        double nm;
    } units[] = {{"nm", 1}, {"nanometer", 1}, {"um", 1e3}, {"micron", 1e3}, {"\xc2\xb5m", 1e3}, {"\xb5m", 1e3}, {"\xce\xbcm", 1e3},
                 {"\\u00B5m", 1e3}, {"micrometer", 1e3}, {"mm", 1e6}, {"cm", 1e7}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].name);
        if (strncmp(unit, units[i].name, n) == 0 && (unit[n] == 0 || strchr("\r\n\" s", unit[n]))) return units[i].nm;
    }
    return 0;
}

/* PhysicalSizeX="0.065", in micrometres unless PhysicalSizeXUnit says other. */
static double ome_size(const char *text, const char *key) {
    char name[48];
    snprintf(name, sizeof name, " %s=\"", key);
    const char *at = strstr(text, name);
    if (!at) return 0;
    double value = strtod(at + strlen(name), NULL), unit = 1e3;
    snprintf(name, sizeof name, " %sUnit=\"", key);
    at = strstr(text, name);
    if (at) unit = nanometres(at + strlen(name));
    return value * unit;
}

static void read_pixel_size(tiff_file *f, double pixel_nm[2]) {
    char *text = NULL;
    float resolution[2] = {0, 0};
    uint16_t unit = RESUNIT_INCH;
    double nm = 0;
    if (!TIFFGetField(f->tiff, TIFFTAG_IMAGEDESCRIPTION, &text)) text = NULL;
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_RESOLUTIONUNIT, &unit);
    for (int i = 0; i < 2; i++) {
        if (!TIFFGetField(f->tiff, i ? TIFFTAG_YRESOLUTION : TIFFTAG_XRESOLUTION, &resolution[i])) resolution[i] = 0;
    }
    const char *imagej = text && strncmp(text, "ImageJ=", 7) == 0 ? strstr(text, "\nunit=") : NULL;
    if (imagej) nm = nanometres(imagej + 6);
    if (nm == 0 && unit == RESUNIT_CENTIMETER) nm = 1e7;
    for (int i = 0; i < 2; i++) {
        double size = nm > 0 && resolution[i] > 0 ? nm / (double)resolution[i] : 0;
        if (text && strstr(text, "<OME")) size = ome_size(text, i ? "PhysicalSizeY" : "PhysicalSizeX");
        pixel_nm[i] = isfinite(size) && size > 1e-3 && size < 1e9 ? size : 0;
    }
}

/* ImageJ keeps stacks over 4 GB behind one page that only its description counts. */
static pnb_status check_description(tiff_file *f, uint64_t pages) {
    char *text = NULL;
    if (!TIFFGetField(f->tiff, TIFFTAG_IMAGEDESCRIPTION, &text) || strncmp(text, "ImageJ=", 7) != 0) return PNB_OK;
    const char *images = strstr(text, "\nimages=");
    long n = images ? strtol(images + 8, NULL, 10) : 1;
    if (n <= 1 || (uint64_t)n <= pages) return PNB_OK;
    return BAD(f, "file '%s': ImageJ's description counts %ld images, %llu pages are there: save it as BigTIFF or in parts", f->name, n,
               (unsigned long long)pages);
}

static void fill_info(tiff_file *f, const page *p, pnb_tiff_info *info) {
    bool integer = p->format != SAMPLEFORMAT_IEEEFP, negative = p->format == SAMPLEFORMAT_INT;
    double range = integer ? ldexp(1, (int)p->bits) - 1 : 1;
    *info = (pnb_tiff_info){.bits = p->bits, .integer = integer, .white_is_zero = p->white_is_zero};
    info->least = negative ? -ldexp(1, (int)p->bits - 1) : 0;
    info->largest = info->least + range;
    read_pixel_size(f, info->pixel_nm);
}

static pnb_status read_pages(tiff_file *f, pnb_tiff_info *info, pnb_array *out) {
    page p;
    uint64_t pages;
    char what[320];
    pnb_tiff_info unused;
    PNB_TRY(read_headers(f, &p, &pages));
    const uint64_t shape[4] = {pages, p.colours, p.height, p.width};
    if (!TIFFSetDirectory(f->tiff, 0)) return BAD(f, "file '%s': damaged (%s)", f->name, f->complaint);
    PNB_TRY(check_description(f, pages));
    if (!info) info = &unused;
    fill_info(f, &p, info);
    snprintf(what, sizeof what, "file '%.300s'", f->name);
    PNB_TRY(pnb_array_create(f->err, what, 4, shape, out));
    for (uint64_t i = 0; i < pages; i++) {
        page q;
        if (i > 0 && !TIFFReadDirectory(f->tiff)) return BAD(f, "file '%s': page %llu is damaged", f->name, (unsigned long long)i + 1);
        PNB_TRY(read_header(f, (uint32_t)i + 1, &q));
        PNB_TRY(read_page(f, &q, (uint32_t)i + 1, out->data + i * (out->count / pages)));
    }
    for (uint64_t i = 0; p.white_is_zero && i < out->count; i++) out->data[i] = (float)(info->largest + info->least - (double)out->data[i]);
    return PNB_OK;
}

pnb_status pnb_tiff_parse(pnb_error *err, const char *name, const void *bytes, size_t size, pnb_tiff_info *info, pnb_array *out) {
    tiff_file f = {.err = err, .name = name, .in = bytes, .size = size};
    *out = (pnb_array){0};
    if (!pnb_tiff_magic(bytes, size)) return BAD(&f, "file '%s': not a TIFF", name);
    PNB_TRY(open_memory(&f, "rm")); /* m: nothing is mapped, read_bytes serves */
    pnb_status status = read_pages(&f, info, out);
    TIFFClose(f.tiff);
    if (status != PNB_OK) pnb_array_free(out);
    return status;
}

pnb_status pnb_tiff_read(pnb_error *err, const char *path, pnb_tiff_info *info, pnb_array *out) {
    void *bytes;
    size_t size;
    *out = (pnb_array){0};
    PNB_TRY(pnb_file_read(err, path, MAX_BYTES, &bytes, &size));
    pnb_status status = pnb_tiff_parse(err, path, bytes, size, info, out);
    free(bytes);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* ImageJ's description of a stack, and the resolution in pixels a micrometre, which it reads with it. */
static bool describe(TIFF *t, uint32_t pages, const double pixel_nm[2], const float range[2]) {
    char text[256];
    bool known = pixel_nm && pixel_nm[0] > 0 && pixel_nm[1] > 0;
    int n = snprintf(text, sizeof text, "ImageJ=1.53\nimages=%u\nslices=%u\nloop=false\nmin=%g\nmax=%g\n", pages, pages, (double)range[0],
                     (double)range[1]);
    if (known) n += snprintf(text + n, sizeof text - (size_t)n, "unit=um\n");
    bool ok = TIFFSetField(t, TIFFTAG_IMAGEDESCRIPTION, text);
    if (!known) return ok;
    return ok && TIFFSetField(t, TIFFTAG_XRESOLUTION, 1e3 / pixel_nm[0]) && TIFFSetField(t, TIFFTAG_YRESOLUTION, 1e3 / pixel_nm[1]) &&
           TIFFSetField(t, TIFFTAG_RESOLUTIONUNIT, RESUNIT_NONE);
}

static bool write_page(TIFF *t, uint32_t channels, uint32_t height, uint32_t width, const float *data, float *row) {
    bool ok = TIFFSetField(t, TIFFTAG_IMAGEWIDTH, width) && TIFFSetField(t, TIFFTAG_IMAGELENGTH, height) &&
              TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, channels) && TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 32) &&
              TIFFSetField(t, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP) && TIFFSetField(t, TIFFTAG_COMPRESSION, COMPRESSION_NONE) &&
              TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) && TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, height) &&
              TIFFSetField(t, TIFFTAG_PHOTOMETRIC, channels == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
    for (uint32_t i = 0; ok && i < height; i++) {
        for (uint32_t j = 0; j < width; j++)
            for (uint32_t c = 0; c < channels; c++) row[j * channels + c] = data[((size_t)c * height + i) * width + j];
        ok = TIFFWriteScanline(t, row, i, 0) >= 0;
    }
    return ok && TIFFWriteDirectory(t);
}

static pnb_status check_finite(pnb_error *err, const char *path, const float *data, size_t count, float range[2]) {
    range[0] = range[1] = data[0];
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i]))
            return pnb_fail(err, PNB_ERROR_NUMERIC, "file '%s': not written: element %zu is not finite", path, i);
        range[0] = fminf(range[0], data[i]);
        range[1] = fmaxf(range[1], data[i]);
    }
    return PNB_OK;
}

pnb_status pnb_tiff_write(pnb_error *err, const char *path, uint32_t pages, uint32_t channels, uint32_t height, uint32_t width,
                          const float *data, const double pixel_nm[2]) {
    tiff_file f = {.err = err, .name = path};
    size_t one = (size_t)channels * height * width, bytes = one * pages * sizeof *data;
    float range[2], *row = NULL;
    if (pages == 0 || pages > PNB_TIFF_MAX_PAGES || (channels != 1 && channels != 3) || !height || !width || height > MAX_SIDE ||
        width > MAX_SIDE)
        return pnb_fail(err, PNB_ERROR_USAGE, "file '%s': a TIFF of %u pages of %u x %u pixels and %u channels cannot be written", path,
                        pages, width, height, channels);
    PNB_TRY(check_finite(err, path, data, one * pages, range));
    pnb_status status = open_memory(&f, bytes > 3u << 30 ? "w8lm" : "wlm"); /* little-endian; 8: BigTIFF, where 4 GB are near */
    if (status == PNB_OK) {
        row = malloc((size_t)width * channels * sizeof *row);
        bool ok = row && describe(f.tiff, pages, pixel_nm, range);
        for (uint32_t i = 0; ok && i < pages; i++) ok = write_page(f.tiff, channels, height, width, data + i * one, row);
        TIFFClose(f.tiff);
        if (!ok || f.no_memory)
            status = pnb_fail(err, !row || f.no_memory ? PNB_ERROR_OUT_OF_MEMORY : PNB_ERROR_INTERNAL, "file '%s': not written (%s)", path,
                              f.complaint[0] ? f.complaint : "no memory");
    }
    if (status == PNB_OK) status = pnb_file_write(err, path, f.out, f.size);
    free(row);
    free(f.out);
    return status;
}

#else

static pnb_status absent(pnb_error *err, const char *name) {
    return pnb_fail(err, PNB_ERROR_INPUT,
                    "file '%s': this build of Penumbra has no TIFF support; build it with libtiff 4.5, or use NPY or PNG", name);
}

pnb_status pnb_tiff_parse(pnb_error *err, const char *name, const void *bytes, size_t size, pnb_tiff_info *info, pnb_array *out) {
    (void)bytes;
    (void)size;
    (void)info;
    *out = (pnb_array){0};
    return absent(err, name);
}

pnb_status pnb_tiff_read(pnb_error *err, const char *path, pnb_tiff_info *info, pnb_array *out) {
    return pnb_tiff_parse(err, path, NULL, 0, info, out);
}

pnb_status pnb_tiff_write(pnb_error *err, const char *path, uint32_t pages, uint32_t channels, uint32_t height, uint32_t width,
                          const float *data, const double pixel_nm[2]) {
    (void)pages;
    (void)channels;
    (void)height;
    (void)width;
    (void)data;
    (void)pixel_nm;
    return absent(err, path);
}

#endif
