// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * spi-far: an SPI controller whose far end is a program.
 *
 * The program under test opens /dev/spidevB.0. The emulated chip opens /dev/spi-far: each read gives the bytes of one
 * transfer, and one write of the same length answers it. Without a chip the bus reads as zeros.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spi/spi.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

enum phase { QUIET, ASKED, TAKEN };

static DEFINE_MUTEX(lock); /* guards the following; never held while waiting */
static enum phase phase;
static struct spi_transfer *transfer;
static bool chip_present;

static DECLARE_WAIT_QUEUE_HEAD(asked);
static DECLARE_WAIT_QUEUE_HEAD(answered);

static struct platform_device *platform;
static struct spi_controller *controller;

static int bus;
module_param(bus, int, 0444);
MODULE_PARM_DESC(bus, "number of the SPI bus");

static void no_answer(void)
{
	if (transfer->rx_buf)
		memset(transfer->rx_buf, 0, transfer->len);
	phase = QUIET;
}

static int far_transfer(struct spi_controller *c, struct spi_device *d, struct spi_transfer *t)
{
	int err = 0;

	mutex_lock(&lock);
	transfer = t;
	if (!chip_present) {
		no_answer();
		goto out;
	}
	phase = ASKED;
	mutex_unlock(&lock);
	wake_up_interruptible(&asked);
	wait_event_timeout(answered, READ_ONCE(phase) == QUIET, 3 * HZ);
	mutex_lock(&lock);
	if (phase != QUIET) {
		no_answer();
		err = -ETIMEDOUT;
	}
out:
	transfer = NULL;
	mutex_unlock(&lock);
	return err;
}

static int far_open(struct inode *inode, struct file *file)
{
	int err = 0;

	mutex_lock(&lock);
	if (chip_present)
		err = -EBUSY;
	chip_present = true;
	mutex_unlock(&lock);
	return err;
}

static int far_release(struct inode *inode, struct file *file)
{
	mutex_lock(&lock);
	chip_present = false;
	if (phase != QUIET)
		no_answer();
	mutex_unlock(&lock);
	wake_up(&answered);
	return 0;
}

static ssize_t far_read(struct file *file, char __user *to, size_t room, loff_t *at)
{
	ssize_t n;

	for (;;) {
		if (wait_event_interruptible(asked, READ_ONCE(phase) == ASKED))
			return -ERESTARTSYS;
		mutex_lock(&lock);
		if (phase == ASKED)
			break;
		mutex_unlock(&lock);
	}
	n = transfer->len;
	if (room < n)
		n = -EMSGSIZE;
	else if (transfer->tx_buf ? copy_to_user(to, transfer->tx_buf, n) : clear_user(to, n))
		n = -EFAULT;
	else
		phase = TAKEN;
	mutex_unlock(&lock);
	return n;
}

static ssize_t far_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
	ssize_t done = n;

	mutex_lock(&lock);
	if (phase != TAKEN)
		done = -EPIPE;
	else if (n != transfer->len)
		done = -EINVAL;
	else if (transfer->rx_buf && copy_from_user(transfer->rx_buf, from, n))
		done = -EFAULT;
	else
		phase = QUIET;
	mutex_unlock(&lock);
	wake_up(&answered);
	return done;
}

static const struct file_operations far_operations = {
	.owner = THIS_MODULE,
	.open = far_open,
	.release = far_release,
	.read = far_read,
	.write = far_write,
};

static struct miscdevice far_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "spi-far",
	.fops = &far_operations,
	.mode = 0600,
};

static int __init far_init(void)
{
	/* spidev refuses its own name and wants that of some chip it knows */
	struct spi_board_info board = { .modalias = "spi-petra", .max_speed_hz = 10000000 };
	int err;

	platform = platform_device_register_simple("spi-far", -1, NULL, 0);
	if (IS_ERR(platform))
		return PTR_ERR(platform);
	controller = spi_alloc_master(&platform->dev, 0);
	if (!controller) {
		err = -ENOMEM;
		goto no_controller;
	}
	controller->bus_num = bus;
	controller->num_chipselect = 1;
	controller->mode_bits = SPI_CPOL | SPI_CPHA;
	controller->transfer_one = far_transfer;
	err = spi_register_controller(controller);
	if (err) {
		spi_controller_put(controller);
		goto no_controller;
	}
	err = misc_register(&far_device);
	if (err)
		goto no_device;
	board.bus_num = controller->bus_num;
	if (spi_new_device(controller, &board))
		return 0;
	err = -ENODEV;
	misc_deregister(&far_device);
no_device:
	spi_unregister_controller(controller);
no_controller:
	platform_device_unregister(platform);
	return err;
}

static void __exit far_exit(void)
{
	misc_deregister(&far_device);
	spi_unregister_controller(controller);
	platform_device_unregister(platform);
}

module_init(far_init);
module_exit(far_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("SPI controller whose far end is a program, for tests");
