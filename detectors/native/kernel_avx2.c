/* The kernel again, 32 bytes at a time; used where the processor says it can. */

#include "kernel.h"
#if defined(CARDTRAIL_AVX2)
#pragma GCC target("avx2,bmi,bmi2,popcnt,lzcnt")
#include "text.h"
#include "runs.h"
#include "tiles.h"
#include "numbers.h"
#include "marks.h"

const Kernel kernel_avx2 = {numbers, marks, lines};
#endif
