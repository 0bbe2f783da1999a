/* For tests that need a device and write files: device.h, and the folder of io/files.h. */
#ifndef PNB_TESTS_DEVICE_AND_FOLDER_H
#define PNB_TESTS_DEVICE_AND_FOLDER_H

#include "device.h"
#include "io/files.h"

static inline int device_and_folder_setup(void **state) { return folder_setup(state) || test_device_setup(state); }
static inline int device_and_folder_teardown(void **state) { return test_device_teardown(state) || remove_empty_folder(state); }

#endif
