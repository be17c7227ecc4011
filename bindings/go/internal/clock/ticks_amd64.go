// SPDX-License-Identifier: MIT

package clock

func tsc() uint64
