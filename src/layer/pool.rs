//! Blocks of fragments that were unpacked last. One pool serves all fragments, so that memory has one bound.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::Digest;

/// Which block: the fragment's key and the block's number.
pub type BlockKey = (Digest, usize);

/// Unpacked blocks, the last used first, up to a number of bytes.
#[derive(Debug)]
pub struct Pool {
    blocks: Mutex<VecDeque<(BlockKey, Arc<[u8]>)>>,
    room: usize,
}

impl Pool {
    /// One that holds at most `room` bytes, and one block if that alone is more.
    pub fn new(room: usize) -> Self {
        Self { blocks: Mutex::new(VecDeque::new()), room }
    }

    /// The block, unpacked by `unpack` where it is not here.
    pub fn get(&self, key: BlockKey, unpack: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Arc<[u8]>> {
        {
            let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = blocks.iter().position(|(other, _)| *other == key)
                && let Some(found) = blocks.remove(at)
            {
                let block = found.1.clone();
                blocks.push_front(found);
                return Ok(block);
            }
        }
        // Two threads may unpack the same block at once; no thread waits for another's work.
        let block: Arc<[u8]> = unpack()?.into();
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.push_front((key, block.clone()));
        let mut held = 0;
        blocks.retain(|(_, block)| {
            held += block.len();
            held <= self.room || held == block.len()
        });
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_that_was_used_least_lately_goes() {
        let pool = Pool::new(25);
        let key = |number| (Digest::of(b"x"), number);
        let get = |number| pool.get(key(number), || Ok(vec![0; 10])).unwrap();
        let is_here = |number| pool.get(key(number), || Err(io::ErrorKind::NotFound.into())).is_ok();
        get(1);
        get(2);
        get(1);
        get(3);
        assert!(is_here(1) && is_here(3) && !is_here(2));
    }
}
