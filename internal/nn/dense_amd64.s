#include "textflag.h"

// SUMS leaves the sums of Y0..Y3 in X0, in that order.
#define SUMS \
	VHADDPS      Y1, Y0, Y0 \
	VHADDPS      Y3, Y2, Y2 \
	VHADDPS      Y2, Y0, Y0 \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS       X1, X0, X0

// func quads(y, w, x *float32, quads, n int, floor float32)
//
// y[i] = max(floor, y[i] + w_i x) for 4 quads rows of w, n columns each. NaN stays NaN.
TEXT ·quads(SB), NOSPLIT, $0-44
	MOVQ         y+0(FP), DI
	MOVQ         w+8(FP), R8
	MOVQ         x+16(FP), SI
	MOVQ         quads+24(FP), CX
	MOVQ         n+32(FP), DX
	VBROADCASTSS floor+40(FP), X15
	MOVQ         DX, R12
	SHLQ         $2, R12              // bytes of a row
	MOVQ         DX, R13
	ANDQ         $-16, R13            // columns in steps of 16
	MOVQ         DX, R14
	ANDQ         $-8, R14             // and of 8

quad:
	LEAQ   (R8)(R12*1), R9
	LEAQ   (R9)(R12*1), R10
	LEAQ   (R10)(R12*1), R11
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ   AX, AX

sixteen:
	CMPQ        AX, R13
	JGE         eight
	VMOVUPS     (SI)(AX*4), Y8
	VMOVUPS     32(SI)(AX*4), Y9
	VFMADD231PS (R8)(AX*4), Y8, Y0
	VFMADD231PS (R9)(AX*4), Y8, Y1
	VFMADD231PS (R10)(AX*4), Y8, Y2
	VFMADD231PS (R11)(AX*4), Y8, Y3
	VFMADD231PS 32(R8)(AX*4), Y9, Y4
	VFMADD231PS 32(R9)(AX*4), Y9, Y5
	VFMADD231PS 32(R10)(AX*4), Y9, Y6
	VFMADD231PS 32(R11)(AX*4), Y9, Y7
	ADDQ        $16, AX
	JMP         sixteen

eight:
	CMPQ        AX, R14
	JGE         reduce
	VMOVUPS     (SI)(AX*4), Y8
	VFMADD231PS (R8)(AX*4), Y8, Y0
	VFMADD231PS (R9)(AX*4), Y8, Y1
	VFMADD231PS (R10)(AX*4), Y8, Y2
	VFMADD231PS (R11)(AX*4), Y8, Y3
	ADDQ        $8, AX

reduce:
	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	VADDPS Y6, Y2, Y2
	VADDPS Y7, Y3, Y3
	SUMS

columns:
	CMPQ        AX, DX
	JGE         store
	VBROADCASTSS (SI)(AX*4), X8
	VMOVSS      (R8)(AX*4), X9
	VINSERTPS   $0x10, (R9)(AX*4), X9, X9
	VINSERTPS   $0x20, (R10)(AX*4), X9, X9
	VINSERTPS   $0x30, (R11)(AX*4), X9, X9
	VFMADD231PS X9, X8, X0
	INCQ        AX
	JMP         columns

store:
	VADDPS  (DI), X0, X0
	VMAXPS  X0, X15, X0  // of max(floor, NaN) the second, NaN, is taken
	VMOVUPS X0, (DI)
	ADDQ    $16, DI
	LEAQ    (R11)(R12*1), R8
	DECQ    CX
	JNZ     quad
	VZEROUPPER
	RET
