//! Waits that grow and scatter, so that replicas do not try together.

use std::time::Duration;

/// A number in 0..1.
#[must_use]
pub fn random() -> f64 {
    // Without entropy the middle will do: this only scatters waits.
    let bits = getrandom::u64().unwrap_or(u64::MAX / 2);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
    let scattered = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    scattered
}

/// Between nothing and `base * 2^streak`, at most `cap`.
#[must_use]
pub fn full_jitter(streak: u32, base: Duration, cap: Duration) -> Duration {
    doubled(streak, base, cap).mul_f64(random())
}

/// `base * 2^streak`, at most `cap`.
#[must_use]
pub fn doubled(streak: u32, base: Duration, cap: Duration) -> Duration {
    base.saturating_mul(2_u32.saturating_pow(streak.min(16))).min(cap)
}

/// A little less, by at most a tenth.
#[must_use]
pub fn shortened(wait: Duration) -> Duration {
    wait.mul_f64(1.0 - random() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn waits_double_up_to_their_cap() {
        let seconds: Vec<_> = [0, 1, 2, 4, 5, 60].map(|streak| doubled(streak, BASE, CAP).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 16, 30, 30]);
    }

    #[test]
    fn scattering_only_shortens() {
        for _ in 0..1_000 {
            assert!(full_jitter(3, BASE, CAP) <= Duration::from_secs(8));
            let wait = shortened(CAP);
            assert!(wait <= CAP && wait >= Duration::from_secs(27));
        }
    }
}
