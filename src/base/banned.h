/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* banned - calls that have a safer sibling, made compile errors (git's idea). The build includes
 * this in front of every file of src/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* macros of glibc's fortified headers under clang */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strncpy
#undef strncat

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok gmtime localtime ctime
#pragma GCC poison asctime atoi atol atof rand srand gets
