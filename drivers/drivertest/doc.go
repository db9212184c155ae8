// Package drivertest holds the suites that every driver of a kind must pass, in memory and on a board, and an emulated
// MFRC522 card reader that can stand behind any SPI bus.
//
// It is for tests only and knows no concrete driver.
package drivertest
